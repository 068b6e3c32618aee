'use client';
import { setPart } from '@millrace/workflow/edit';
import { isRecord } from '@millrace/workflow/json';
import { SelectField } from '../../ui/field.tsx';
import { useEditorTools } from './editor-context.tsx';
import { FieldControl } from './field-control.tsx';
import { withField } from './field-value.ts';
import { problemsOfField } from './locate-problem.ts';
import { fieldsOfTrigger, TRIGGER_TYPES, triggerWith } from './node-fields.ts';
import { PanelSection } from './panel-section.tsx';

/** What starts a run. */
export function TriggerPanel({ isReadOnly }: { isReadOnly: boolean }) {
  const { document, store, problems } = useEditorTools();
  const trigger = isRecord(document.trigger) ? document.trigger : {};
  const type = typeof trigger.type === 'string' ? trigger.type : '';
  const setConfig = (key: string, value: unknown) => {
    const next = triggerWith(type, withField(trigger.config, key, value));
    store.edit((it) => setPart(it, 'trigger', next), `trigger.${key}`);
  };
  return (
    <PanelSection title="Trigger">
      <SelectField
        label="Starts"
        disabled={isReadOnly}
        value={type}
        problem={problemsOfField(problems, 'trigger.type')}
        onChange={({ target }) => store.edit((it) => setPart(it, 'trigger', triggerWith(target.value, {})))}
      >
        {TRIGGER_TYPES.map((offered) => (
          <option key={offered.type} value={offered.type}>
            {offered.label}
          </option>
        ))}
      </SelectField>
      {fieldsOfTrigger(type).map((field) => (
        <FieldControl
          key={`${type} ${field.key}`}
          field={field}
          value={isRecord(trigger.config) ? trigger.config[field.key] : undefined}
          problem={problemsOfField(problems, `trigger.config.${field.key}`)}
          bindings={null}
          isReadOnly={isReadOnly}
          onChange={(value) => setConfig(field.key, value)}
        />
      ))}
    </PanelSection>
  );
}
