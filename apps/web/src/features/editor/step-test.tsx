'use client';
import { FlaskConical, Pin, PinOff } from 'lucide-react';
import { Button } from '../../ui/button.tsx';
import { TextArea } from '../../ui/field.tsx';
import { Badge } from '../../ui/surfaces.tsx';
import { JsonBlock } from '../runs/json-block.tsx';
import { PanelSection } from './panel-section.tsx';
import { useStepTest } from './use-step-test.ts';

/** One step, tried with sample data as a worker would execute it. Its output can be pinned for the steps after it. */
export function StepTest({ id }: { id: string }) {
  const { input, setInput, problem, test, result, pinned, pin, unpin } = useStepTest(id);
  const output = result && result.error === null ? result.output : pinned;
  return (
    <PanelSection title="Try it">
      <TextArea
        label="Trigger input"
        hint="JSON, as $trigger.input. Outputs of earlier steps come from pins and the last run."
        problem={problem}
        rows={3}
        spellCheck={false}
        className="min-h-16 font-mono text-xs"
        value={input}
        onChange={({ target }) => setInput(target.value)}
      />
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
        {output === undefined ? null : <JsonBlock title={`Output of ${id}`} value={output} />}
      </div>
    </PanelSection>
  );
}
