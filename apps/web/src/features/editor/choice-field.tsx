'use client';
import { SelectField } from '../../ui/field.tsx';
import type { FieldControlProps } from './field-props.ts';

interface ChoiceFieldProps extends Pick<FieldControlProps, 'field' | 'problem' | 'isReadOnly'> {
  chosen: string;
  /** Values with the words for them. */
  choices: readonly (readonly [value: string, label: string])[];
  onChoose: (value: string) => void;
}

/** One of several, whatever they stand for. */
export function ChoiceField({ field, problem, isReadOnly, chosen, choices, onChoose }: ChoiceFieldProps) {
  return (
    <SelectField
      label={field.label}
      hint={field.hint}
      problem={problem}
      disabled={isReadOnly}
      className="h-9"
      value={chosen}
      onChange={({ target }) => onChoose(target.value)}
    >
      {choices.map(([value, label]) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </SelectField>
  );
}
