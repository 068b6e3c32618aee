'use client';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextArea } from '../../ui/field.tsx';
import type { Question } from './decisions.ts';
import type { RunAddress } from './use-run.ts';
import { useStepDecision } from './use-step-decision.ts';

interface StepQuestionProps {
  stepId: string;
  question: Question;
  address: RunAddress;
}

const ASKED = {
  approval: { own: 'Waits for your decision.', other: 'Waits for the decision of somebody else.' },
  unknown: {
    own: 'Its worker was lost, and nobody knows whether it was done. It must not be done twice, so you decide.',
    other: 'Its worker was lost, and nobody knows whether it was done. An admin decides what becomes of it.',
  },
};

/** What a step waits to hear from people, with the answers that this person may give. */
export function StepQuestion({ stepId, question: { kind, mayAnswer, note }, address }: StepQuestionProps) {
  const decision = useStepDecision(address, stepId);
  const { decide, isBusy } = decision;
  return (
    <div className="flex flex-wrap items-center justify-between gap-3 border-t border-line px-4 py-3">
      <div className="grid min-w-0 flex-1 basis-60 gap-0.5 text-sm">
        {note ? <p className="font-medium break-words">{note}</p> : null}
        <p className="text-muted">{ASKED[kind][mayAnswer ? 'own' : 'other']}</p>
      </div>
      {mayAnswer && kind === 'approval' ? (
        <div className="flex gap-2">
          <Button look="danger" size="sm" isBusy={isBusy} onClick={() => decide('rejected')}>
            Reject
          </Button>
          <Button size="sm" isBusy={isBusy} onClick={() => decide('approved')}>
            Approve
          </Button>
        </div>
      ) : null}
      {mayAnswer && kind === 'unknown' ? (
        <div className="flex flex-wrap gap-2">
          <Button look="danger" size="sm" isBusy={isBusy} onClick={() => decide('fail')}>
            Let it fail
          </Button>
          <Button look="secondary" size="sm" isBusy={isBusy} onClick={() => decision.setSkipping(true)}>
            Skip with a value
          </Button>
          <Button size="sm" isBusy={isBusy} onClick={() => decide('retry')}>
            Do it again
          </Button>
        </div>
      ) : null}
      <SkipDialog stepId={stepId} decision={decision} />
    </div>
  );
}

function SkipDialog({ stepId, decision }: { stepId: string; decision: ReturnType<typeof useStepDecision> }) {
  const { isSkipping, setSkipping, text, setText, problem, skip, isBusy } = decision;
  return (
    <Dialog
      title={`Skip ${stepId}`}
      about="The run goes on as if the step had succeeded with this output."
      isOpen={isSkipping}
      onOpenChange={setSkipping}
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          skip();
        }}
      >
        <TextArea
          label="Output"
          hint="JSON. Empty: null."
          problem={problem}
          spellCheck={false}
          rows={6}
          className="font-mono text-[0.8125rem]"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
        <div className="flex justify-end">
          <Button type="submit" isBusy={isBusy}>
            Skip the step
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
