import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import type { InputField } from './input-fields.ts';

interface InputFieldProps {
  field: InputField;
  text: string;
  problem: string | undefined;
  onChange: (text: string) => void;
}

/** One property of the input of a run. */
export function InputFieldControl({ field, text, problem, onChange }: InputFieldProps) {
  const { type, hint, choices, isRequired } = field;
  const shared = { label: isRequired ? field.label : `${field.label} (optional)`, hint, problem };
  if (type === 'choice')
    return (
      <SelectField {...shared} value={text} onChange={({ target }) => onChange(target.value)}>
        <option value="">{isRequired ? 'Choose …' : 'None'}</option>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {choice.replace(/^"(.*)"$/, '$1')}
          </option>
        ))}
      </SelectField>
    );
  if (type === 'json')
    return (
      <TextArea
        {...shared}
        hint={hint ?? 'As JSON.'}
        spellCheck={false}
        rows={3}
        className="font-mono text-[0.8125rem]"
        value={text}
        onChange={({ target }) => onChange(target.value)}
      />
    );
  return (
    <TextField
      {...shared}
      inputMode={type === 'number' ? 'decimal' : undefined}
      autoComplete="off"
      value={text}
      onChange={({ target }) => onChange(target.value)}
    />
  );
}
