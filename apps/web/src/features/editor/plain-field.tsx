'use client';
import { useState } from 'react';
import { TextField } from '../../ui/field.tsx';
import { ChoiceField } from './choice-field.tsx';
import type { FieldControlProps } from './field-props.ts';
import { parseField, printField } from './field-value.ts';

const OTHER = '\u0000other';

/** Text, numbers and choices. */
export function PlainField(props: FieldControlProps) {
  const { field, value, onChange } = props;
  if (field.control !== 'select') return <TypedField {...props} />;
  const choices = [
    ...(field.isRequired && value !== undefined ? [] : ([['', 'Not set']] as const)),
    ...field.options.map((option) => [option, option] as const),
    ...(field.takesOther ? ([[OTHER, 'Other, as JSON…']] as const) : []),
  ];
  const onChoose = (text: string) => onChange(chosen(text));
  return <ChoiceField {...props} chosen={printField(field, value)} choices={choices} onChoose={onChoose} />;
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
const ANSWER_WORDS = [
  ['', 'Not set'],
  ['yes', 'Yes'],
  ['no', 'No'],
] as const;

/** Yes, no, or whatever holds when nothing is said: that may be either. */
export function YesNoField(props: FieldControlProps) {
  const { value, onChange } = props;
  const answer = [...ANSWERS].find(([, known]) => known === value)?.[0] ?? '';
  const onChoose = (text: string) => onChange(ANSWERS.get(text));
  return <ChoiceField {...props} chosen={answer} choices={ANSWER_WORDS} onChoose={onChoose} />;
}
