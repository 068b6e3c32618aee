'use client';
import { isRecord } from '@millrace/workflow/json';
import { useId } from 'react';
import { CodeField } from './code-field.tsx';
import type { FieldControlProps } from './field-props.ts';
import { withField } from './field-value.ts';
import { ItemsFieldset, RemoveItem } from './items-fieldset.tsx';
import { PlainField, YesNoField } from './plain-field.tsx';
import { RecordField } from './record-field.tsx';
import { WorkflowField } from './workflow-field.tsx';

/** One field by the control that its schema asks for. */
export function FieldControl(props: FieldControlProps) {
  const { field } = props;
  switch (field.control) {
    case 'template':
    case 'expression':
    case 'value':
      return <CodeField {...props} />;
    case 'record':
      return <RecordField {...props} />;
    case 'list':
      return <ListField {...props} />;
    case 'group':
      return <GroupField {...props} />;
    case 'workflow':
      return <WorkflowField {...props} />;
    case 'boolean':
      return <YesNoField {...props} />;
    default:
      return field.takesOther && isRecord(props.value) ? (
        <CodeField {...props} field={{ ...field, control: 'value' }} />
      ) : (
        <PlainField {...props} />
      );
  }
}

function GroupField({ field, value, problem, onChange, ...rest }: FieldControlProps) {
  const id = useId();
  return (
    <fieldset
      className="grid min-w-0 gap-3 rounded-lg border border-line p-3"
      aria-describedby={problem ? id : undefined}
    >
      <legend className="px-1 text-sm font-medium">{field.label}</legend>
      {problem ? (
        <p id={id} role="alert" className="text-[0.8125rem] text-danger">
          {problem}
        </p>
      ) : null}
      {field.fields.map((inner) => (
        <FieldControl
          {...rest}
          key={inner.key}
          field={inner}
          isFocused={false}
          value={isRecord(value) ? value[inner.key] : undefined}
          onChange={(next) => {
            const changed = withField(value, inner.key, next);
            onChange(Object.keys(changed).length === 0 ? undefined : changed);
          }}
        />
      ))}
    </fieldset>
  );
}

/** Several objects with the same fields, such as the cases of a switch. */
function ListField({ field, value, problem, onChange, ...rest }: FieldControlProps) {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const { isReadOnly } = rest;
  return (
    <ItemsFieldset {...{ field, problem, isReadOnly }} onAdd={() => onChange([...items, {}])}>
      {[...items.entries()].map(([index, item]) => (
        <div key={index} className="relative grid gap-2.5 rounded-lg border border-line p-3">
          {field.fields.map((inner) => (
            <FieldControl
              {...rest}
              key={inner.key}
              field={{ ...inner, label: `${inner.label} ${index + 1}` }}
              isFocused={false}
              value={isRecord(item) ? item[inner.key] : undefined}
              onChange={(next) =>
                onChange(items.map((old, at) => (at === index ? withField(old, inner.key, next) : old)))
              }
            />
          ))}
          <RemoveItem
            name={`${field.label.toLowerCase()} ${index + 1}`}
            isReadOnly={isReadOnly}
            className="absolute top-1.5 right-1.5"
            onRemove={() => onChange(items.filter((_, at) => at !== index))}
          />
        </div>
      ))}
    </ItemsFieldset>
  );
}
