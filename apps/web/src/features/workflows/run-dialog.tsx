'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea } from '../../ui/field.tsx';
import { useRunInput } from './use-run-input.ts';

interface RunDialogProps {
  isOpen: boolean;
  workflow: Workflow;
  onClose: () => void;
}

export function RunDialog({ isOpen, workflow, onClose }: RunDialogProps) {
  return (
    <Dialog
      title={`Run ${workflow.name}`}
      about={`Version ${workflow.version}, the published one.`}
      isOpen={isOpen}
      onOpenChange={(open) => (open ? undefined : onClose())}
    >
      <RunForm workflow={workflow} />
    </Dialog>
  );
}

function RunForm({ workflow }: { workflow: Workflow }) {
  const { text, setText, problem, start, isBusy } = useRunInput(workflow);
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
    >
      <TextArea
        label="Input"
        hint="JSON, as $trigger.input in expressions. Empty: none."
        problem={problem}
        spellCheck={false}
        rows={8}
        className="font-mono text-[0.8125rem]"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <div className="flex justify-end">
        <Button type="submit" isBusy={isBusy}>
          Start run
        </Button>
      </div>
    </form>
  );
}
