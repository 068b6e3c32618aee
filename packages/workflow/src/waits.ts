import type { EventOf } from './events.ts';
import type { PlannedNode } from './plan.ts';
import { type FrameDraft, findTarget, keyIn, type RunDraft, setStep, type Target } from './run-draft.ts';
import { listSteps } from './run-status.ts';
import { failFrame, failStep, startStep, succeedStep } from './settle.ts';
import { commonOf, type StepState } from './state.ts';
import type { WaitFor } from './steps/kind.ts';

type Waiting = Extract<StepState, { status: 'waiting' }>;

/** What can come from outside; a timer ends by time alone, a retry by an attempt, a decision by a decision. */
const AWAITED: readonly string[] = ['approval', 'webhook', 'subworkflow'] satisfies WaitFor[];

/** A running step, not a loop, begins to wait; what is due already ends at once, and its run goes on without a pause. */
export function beginWait(
  draft: RunDraft,
  { stepKey, attempt, for: what, dueAt, at }: Omit<EventOf<'step.waits'>, 'type'>,
): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status !== 'running' || target.step.attempt !== attempt || target.node.loop !== null) {
    return;
  }
  const { frame, node, step } = target;
  const waiting = { status: 'waiting', for: what, attempt, dueAt, ...commonOf(step) } as const;
  if (isDue(waiting, at)) {
    endWait(draft, target, waiting);
    return;
  }
  setStep(draft, frame, node.id, waiting);
  draft.effects.push({ type: 'waitStep', stepKey, attempt, for: what, dueAt });
}

export function resumeStep(draft: RunDraft, { stepKey, branch }: EventOf<'step.resumed'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status === 'waiting' && AWAITED.includes(target.step.for)) {
    succeedStep(draft, target.frame, target.node, { attempt: target.step.attempt, branch });
  }
}

/** Not tried again: what was awaited has had its effects, and may have failed for good reason. */
export function failWait(draft: RunDraft, { stepKey, error }: EventOf<'step.resumeFailed'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status === 'waiting' && AWAITED.includes(target.step.for)) {
    failStep(draft, target.frame, target.node, target.step.attempt, error);
  }
}

/** A decision to retry is not held to `maxAttempts`: a person made it. */
export function decide(draft: RunDraft, { stepKey, attempt, decision }: EventOf<'step.decided'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status !== 'waiting' || target.step.for !== 'decision' || target.step.attempt !== attempt) {
    return;
  }
  const { frame, node, step } = target;
  switch (decision) {
    case 'retry':
      startStep(draft, frame, node, { attempt: attempt + 1, ...commonOf(step) });
      break;
    case 'skip':
      succeedStep(draft, frame, node, { attempt });
      break;
    case 'fail': {
      const message = 'Nobody knows whether the step had its effect, and a person ended it.';
      failStep(draft, frame, node, attempt, { code: 'OUTCOME_UNKNOWN', message, retryable: false });
      break;
    }
    default:
      decision satisfies never;
  }
}

/** When what begins at `at`, the run or its `onFailure`, has taken too long; undefined where nothing limits it. */
export function deadlineFrom({ plan: { timeoutMs } }: RunDraft, at: number): number | undefined {
  return timeoutMs === null ? undefined : at + timeoutMs;
}

/** Does what is due at `at` by itself. The end of the run's time, or of that of `onFailure`, comes before anything else. */
export function passTime(draft: RunDraft, at: number): void {
  const { root, onFailure, deadlineAt } = draft;
  if (deadlineAt !== undefined && deadlineAt <= at) {
    const message = 'The run took longer than its workflow allows.';
    failFrame(draft, onFailure ?? root, { code: 'RUN_TIMEOUT', message });
    return;
  }
  for (const { stepKey, step } of listSteps(draft.state)) {
    if (isDue(step, at)) {
      const target = findTarget(draft, stepKey);
      // Something else that was due may have ended it.
      if (target !== null && isDue(target.step, at)) {
        endWait(draft, target, target.step);
      }
    }
  }
}

function isDue(step: StepState, at: number): step is Waiting {
  return step.status === 'waiting' && step.dueAt !== null && step.dueAt <= at;
}

function endWait(draft: RunDraft, { frame, node }: Target, step: Waiting): void {
  const { attempt, dueAt } = step;
  if (step.for === 'retry') {
    startStep(draft, frame, node, { attempt: attempt + 1, ...commonOf(step) });
    return;
  }
  const stepKey = keyIn(frame, node);
  if (step.for === 'timer') {
    const until = new Date(dueAt ?? 0).toISOString();
    draft.effects.push({ type: 'succeedStep', stepKey, attempt, output: { until } });
    succeedStep(draft, frame, node, { attempt });
    return;
  }
  if (hasTimeoutEdge(frame, node)) {
    const output = node.kind.timeoutOutput ?? null;
    draft.effects.push({ type: 'succeedStep', stepKey, attempt, output, branch: 'timeout' });
    succeedStep(draft, frame, node, { attempt, branch: 'timeout' });
    return;
  }
  const message = 'What the step waited for did not come in time.';
  failStep(draft, frame, node, attempt, { code: 'WAIT_TIMEOUT', message, retryable: false });
}

function hasTimeoutEdge({ graph }: FrameDraft, node: PlannedNode): boolean {
  return node.outgoing.some((index) => graph.edges[index]?.branch === 'timeout');
}
