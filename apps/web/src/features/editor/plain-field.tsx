'use client';
import { useState } from 'react';
import { SelectField, TextField } from '../../ui/field.tsx';
import type { FieldControlProps } from './field-props.ts';
import { parseField, printField } from './field-value.ts';

const OTHER = '\u0000other';

/** Text, numbers and choices. */
export function PlainField({ field, value, problem, isReadOnly, onChange }: FieldControlProps) {
  if (field.control === 'select')
    return (
      <SelectField
        label={field.label}
        hint={field.hint}
        problem={problem}
        disabled={isReadOnly}
        className="h-9"
        value={printField(field, value)}
        onChange={({ target }) => onChange(chosen(target.value))}
      >
        {field.isRequired && value !== undefined ? null : <option value="">Not set</option>}
        {field.options.map((option) => (
          <option key={option}>{option}</option>
        ))}
        {field.takesOther ? <option value={OTHER}>Other, as JSON…</option> : null}
      </SelectField>
    );
  return <TypedField {...{ field, value, problem, isReadOnly, onChange, bindings: null }} />;
}

function chosen(text: string): unknown {
  if (text === OTHER) return {};
  return text === '' ? undefined : text;
}

/** What is typed is kept as it is, even where it is no number yet. */
function TypedField({ field, value, problem, isReadOnly, onChange }: FieldControlProps) {
  const [typed, setTyped] = useState({ text: printField(field, value), value });
  const text = typed.value === value ? typed.text : printField(field, value);
  const parsed = parseField(field, text);
  return (
    <TextField
      label={field.label}
      hint={field.hint}
      problem={parsed.ok ? problem : parsed.message}
      readOnly={isReadOnly}
      inputMode={field.control === 'number' ? 'decimal' : undefined}
      className="h-9 text-[0.8125rem]"
      value={text}
      onChange={({ target }) => {
        const next = parseField(field, target.value);
        setTyped({ text: target.value, value: next.ok ? next.value : value });
        if (next.ok) onChange(next.value);
      }}
    />
  );
}

const ANSWERS = new Map<string, boolean | undefined>([
  ['', undefined],
  ['yes', true],
  ['no', false],
]);

/** Yes, no, or whatever holds when nothing is said: that may be either. */
export function YesNoField({ field, value, problem, isReadOnly, onChange }: FieldControlProps) {
  return (
    <SelectField
      label={field.label}
      hint={field.hint}
      problem={problem}
      disabled={isReadOnly}
      className="h-9"
      value={[...ANSWERS].find(([, answer]) => answer === value)?.[0] ?? ''}
      onChange={({ target }) => onChange(ANSWERS.get(target.value))}
    >
      <option value="">Not set</option>
      <option value="yes">Yes</option>
      <option value="no">No</option>
    </SelectField>
  );
}
