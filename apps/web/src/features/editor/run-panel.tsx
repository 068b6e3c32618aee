'use client';
import { setPart } from '@millrace/workflow/edit';
import { isRecord } from '@millrace/workflow/json';
import { useEditorTools } from './editor-context.tsx';
import { FieldControl } from './field-control.tsx';
import { withField } from './field-value.ts';
import { problemsOfField } from './locate-problem.ts';
import { PanelSection } from './panel-section.tsx';
import { RUN_FIELDS } from './run-fields.ts';

/** What holds for the run as a whole; shown while no step is selected. */
export function RunPanel({ isReadOnly }: { isReadOnly: boolean }) {
  const { document, store, problems } = useEditorTools();
  const { output, constants, timeoutMs } = RUN_FIELDS;
  const settings = isRecord(document.settings) ? document.settings : {};
  const setTimeLimit = (value: unknown) => {
    const next = withField(document.settings, 'timeoutMs', value);
    store.edit(
      (it) => setPart(it, 'settings', Object.keys(next).length === 0 ? undefined : next),
      'settings.timeoutMs',
    );
  };
  const common = { isReadOnly, bindings: null };
  return (
    <>
      <p className="px-4 pt-4 text-sm text-muted">Select a step to set it up, or add one from the left.</p>
      <PanelSection title="Run">
        <FieldControl
          {...common}
          field={output}
          value={document.output}
          problem={problemsOfField(problems, 'output')}
          onChange={(value) => void store.edit((it) => setPart(it, 'output', value), 'output')}
        />
        <FieldControl
          {...common}
          field={constants}
          value={document.constants}
          problem={problemsOfField(problems, 'constants')}
          onChange={(value) => void store.edit((it) => setPart(it, 'constants', value), 'constants')}
        />
        <FieldControl
          {...common}
          field={timeoutMs}
          value={settings.timeoutMs}
          problem={problemsOfField(problems, 'settings.timeoutMs')}
          onChange={setTimeLimit}
        />
      </PanelSection>
    </>
  );
}
