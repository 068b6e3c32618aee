'use client';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea } from '../../ui/field.tsx';
import { InputFieldControl } from './input-field.tsx';
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
  const { fields, isForm, texts, setField, text, setText, problem, problems, start, turn, isBusy } =
    useRunInput(workflow);
  return (
    <form
      noValidate
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
    >
      {isForm && fields ? (
        fields.map((field) => (
          <InputFieldControl
            key={field.name}
            field={field}
            text={texts[field.name] ?? ''}
            problem={problems[field.name]}
            onChange={(value) => setField(field.name, value)}
          />
        ))
      ) : (
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
      )}
      <div className="flex flex-wrap justify-end gap-2">
        {fields ? (
          <Button look="secondary" onClick={turn}>
            {isForm ? 'Write it as JSON' : 'Fill in a form'}
          </Button>
        ) : null}
        <Button type="submit" isBusy={isBusy}>
          Start run
        </Button>
      </div>
    </form>
  );
}
