'use client';
import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { sayProblem } from '../../ui/field-message.ts';
import { CodeBox } from './code-field.tsx';
import type { FieldControlProps } from './field-props.ts';
import { type Pair, pairsOf, recordOf } from './field-value.ts';
import type { Field } from './fields.ts';

const INPUT =
  'h-9 w-2/5 min-w-0 rounded-lg border border-line-strong bg-surface px-2 font-mono text-xs text-ink placeholder:text-muted';

const TEXT: Field = {
  ...{ key: '', label: '', hint: undefined, control: 'template', isRequired: false, options: [], fields: [] },
  ...{ takesNumber: false, takesOther: false },
};

/** Names with values, such as headers. Values may hold expressions. */
export function RecordField({ field, value, problem, bindings, isReadOnly, onChange }: FieldControlProps) {
  const [typed, setTyped] = useState<{ pairs: readonly Pair[]; value: unknown }>({ pairs: pairsOf(value), value });
  const pairs = typed.value === value ? typed.pairs : pairsOf(value);
  const change = (next: readonly Pair[]) => {
    const record = recordOf(next, value);
    setTyped({ pairs: next, value: record });
    onChange(record);
  };
  const replace = (index: number, pair: Pair) => change(pairs.map((old, at) => (at === index ? pair : old)));
  return (
    <fieldset className="grid min-w-0 grid-cols-[minmax(0,1fr)] gap-1.5">
      <legend className="mb-1.5 text-sm font-medium">{field.label}</legend>
      {[...pairs.entries()].map(([index, [name, text]]) => (
        <div key={index} className="flex min-w-0 items-start gap-1">
          <input
            aria-label={`${field.label}: name ${index + 1}`}
            placeholder="Name"
            readOnly={isReadOnly}
            className={INPUT}
            value={name}
            onChange={({ target }) => replace(index, [target.value, text])}
          />
          <CodeBox
            field={{ ...TEXT, label: `${field.label}: value ${index + 1}` }}
            value={text}
            bindings={bindings}
            isReadOnly={isReadOnly}
            className="flex-1"
            onChange={(next) => replace(index, [name, typeof next === 'string' ? next : ''])}
          />
          {isReadOnly ? null : (
            <Button
              look="ghost"
              size="icon"
              className="mt-1 size-7"
              aria-label={`Remove ${name || `row ${index + 1}`}`}
              onClick={() => change(pairs.filter((_, at) => at !== index))}
            >
              <X aria-hidden />
            </Button>
          )}
        </div>
      ))}
      {isReadOnly ? null : (
        <Button
          look="ghost"
          size="sm"
          className="justify-self-start px-2"
          onClick={() => change([...pairs, ['', '']])}
          aria-label={`Add to ${field.label.toLowerCase()}`}
        >
          <Plus aria-hidden /> Add
        </Button>
      )}
      {problem || field.hint ? (
        <p className={problem ? 'text-[0.8125rem] text-danger' : 'text-[0.8125rem] text-muted'}>
          {problem ? sayProblem(field.label, problem) : field.hint}
        </p>
      ) : null}
    </fieldset>
  );
}
