'use client';
import { useState } from 'react';
import { CodeBox } from './code-field.tsx';
import type { FieldControlProps } from './field-props.ts';
import { type Pair, pairsOf, recordOf } from './field-value.ts';
import type { Field } from './fields.ts';
import { ItemsFieldset, RemoveItem } from './items-fieldset.tsx';

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
    <ItemsFieldset {...{ field, problem, isReadOnly }} onAdd={() => change([...pairs, ['', '']])}>
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
          <RemoveItem
            name={name || `row ${index + 1}`}
            isReadOnly={isReadOnly}
            className="mt-1"
            onRemove={() => change(pairs.filter((_, at) => at !== index))}
          />
        </div>
      ))}
    </ItemsFieldset>
  );
}
