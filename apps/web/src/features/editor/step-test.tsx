'use client';
import type { Json } from '@millrace/workflow/json';
import { FlaskConical, Pin, PinOff } from 'lucide-react';
import { Button } from '../../ui/button.tsx';
import { TextArea } from '../../ui/field.tsx';
import { Badge } from '../../ui/surfaces.tsx';
import { LazyTree } from '../runs/lazy-tree.tsx';
import { PanelSection } from './panel-section.tsx';
import { useJsonText } from './use-json-text.ts';
import { useStepTest } from './use-step-test.ts';

/** One step, tried with sample data as a worker would execute it. Its output can be pinned for the steps after it. */
export function StepTest({ id }: { id: string }) {
  const { samples, loops, test, result, pinned, pin, unpin } = useStepTest(id);
  const output = result && result.error === null ? result.output : pinned;
  return (
    <PanelSection title="Try it">
      <SampleField
        label="Trigger input"
        hint="JSON, as $trigger.input. Outputs of earlier steps come from pins and the last run."
        initial={samples.input}
        onValue={samples.setInput}
      />
      {loops.map((loop) => (
        <SampleField
          key={loop.id}
          label={`Item of ${loop.id}`}
          hint={`JSON, as $${loop.as}: one turn of the loop.`}
          initial={loop.item}
          onValue={(item) => samples.setItem(loop.id, item)}
        />
      ))}
      <div className="flex flex-wrap gap-2">
        <Button look="secondary" size="sm" isBusy={test.isBusy} onClick={() => test.start()}>
          <FlaskConical aria-hidden /> Test step
        </Button>
        {output !== undefined && pinned === undefined ? (
          <Button look="ghost" size="sm" isBusy={pin.isBusy} onClick={() => pin.start({ stepId: id, output })}>
            <Pin aria-hidden /> Pin output
          </Button>
        ) : null}
        {pinned === undefined ? null : (
          <Button look="ghost" size="sm" isBusy={unpin.isBusy} onClick={() => unpin.start(id)}>
            <PinOff aria-hidden /> Unpin
          </Button>
        )}
      </div>
      <div aria-live="polite" className="grid gap-2">
        {result?.error ? (
          <p className="rounded-lg bg-danger-soft px-3 py-2 text-[0.8125rem] break-words text-danger">
            {result.error.code}: {result.error.message}
          </p>
        ) : null}
        {result ? <span className="text-xs text-muted">Took {result.durationMs} ms</span> : null}
        {pinned === undefined ? null : <Badge tone="info">Pinned</Badge>}
        {output === undefined ? null : (
          <>
            <span className="text-xs font-medium text-muted">Output of {id}</span>
            <LazyTree label={`Output of ${id}`} value={output} />
          </>
        )}
      </div>
    </PanelSection>
  );
}

interface SampleFieldProps {
  label: string;
  hint: string;
  initial: Json | undefined;
  onValue: (value: Json | undefined) => void;
}

function SampleField({ label, hint, initial, onValue }: SampleFieldProps) {
  const { text, change, problem } = useJsonText(initial, onValue);
  return (
    <TextArea
      label={label}
      hint={hint}
      problem={problem}
      rows={3}
      spellCheck={false}
      className="min-h-16 font-mono text-xs"
      value={text}
      onChange={({ target }) => change(target.value)}
    />
  );
}
