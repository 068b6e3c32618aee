import type { Effect } from './effects.ts';
import type { RunEvent } from './events.ts';
import { outputSource } from './output.ts';
import type { Plan } from './plan.ts';
import { isRetried, retryDelayMs } from './retry.ts';
import { closeDraft, isOpen, openDraft, type RunDraft, stepOf } from './run-draft.ts';
import { cancelStep, failRun, failStep, settleOutgoing, startStep } from './settle.ts';
import { hasEnded, type RunState } from './state.ts';

type EventOf<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;

/**
 * The engine: what a run becomes through an event, and what has to be done. Synchronous, without clock, randomness or
 * I/O. A repeated, late or foreign event changes nothing and returns the same state object; so does any event after
 * the run ended. Every state it returns either has ended, evaluates its output, runs a step, or waits for a retry.
 */
export function transition(plan: Plan, state: RunState, event: RunEvent): [RunState, Effect[]] {
  if (hasEnded(state)) {
    return [state, []];
  }
  const draft = openDraft(plan, state);
  applyEvent(draft, event);
  finishWhenDone(draft, state);
  return closeDraft(draft, state);
}

/**
 * What a new owner of a run has to do after the old one died, at epoch milliseconds `at`: begin a run nobody began,
 * run again what was running, start the retries that are due, evaluate the output. Ended steps never run again.
 * A step that was running keeps its attempt number: an attempt is used up once its result is recorded, and this one's
 * never was, so a dying worker costs a step none of its attempts.
 */
export function resume(plan: Plan, state: RunState, at: number): [RunState, Effect[]] {
  if (state.status === 'created') {
    return transition(plan, state, { type: 'run.started', at });
  }
  if (state.status === 'output') {
    return [state, [{ type: 'evaluateOutput', source: outputSource(plan, state) }]];
  }
  const again = [...plan.nodes.keys()].flatMap((stepKey): Effect[] => {
    const step = state.steps[stepKey];
    return step?.status === 'running'
      ? [{ type: 'startStep', stepKey, attempt: step.attempt, collect: step.collect }]
      : [];
  });
  const [next, effects] = transition(plan, state, { type: 'retry.due', at });
  return [next, [...again, ...effects]];
}

function applyEvent(draft: RunDraft, event: RunEvent): void {
  switch (event.type) {
    case 'run.started':
      startRun(draft);
      break;
    case 'step.succeeded':
      succeedStep(draft, event);
      break;
    case 'step.failed':
      failAttempt(draft, event);
      break;
    case 'retry.due':
      startDueRetries(draft, event.at);
      break;
    case 'output.evaluated':
    case 'output.failed':
      finishOutput(draft, event);
      break;
    case 'run.cancelled':
      cancelRun(draft);
      break;
    default:
      event satisfies never;
  }
}

function startRun(draft: RunDraft): void {
  if (draft.status !== 'created') {
    return;
  }
  draft.status = 'running';
  for (const node of draft.plan.nodes.values()) {
    if (node.incoming.length === 0) {
      startStep(draft, node.id, null);
    }
  }
}

function succeedStep(draft: RunDraft, { stepKey, attempt, branch }: EventOf<'step.succeeded'>): void {
  if (!isRunningAttempt(draft, stepKey, attempt)) {
    return;
  }
  draft.steps[stepKey] = { status: 'succeeded', attempt, ...(branch === undefined ? {} : { branch }) };
  settleOutgoing(draft, stepKey, (edge) => edge.branch === null || edge.branch === branch);
}

function failAttempt(draft: RunDraft, { stepKey, attempt, error, at, random }: EventOf<'step.failed'>): void {
  const node = draft.plan.nodes.get(stepKey);
  const step = stepOf(draft, stepKey);
  if (node === undefined || step?.status !== 'running' || step.attempt !== attempt) {
    return;
  }
  if (!isRetried(node.retry, attempt, error)) {
    failStep(draft, node, attempt, error);
    return;
  }
  const dueAt = at + retryDelayMs(node.retry, attempt, error, random);
  draft.steps[stepKey] = { status: 'waiting', for: 'retry', attempt, dueAt, collect: step.collect };
  draft.effects.push({ type: 'retryStep', stepKey, attempt: attempt + 1, dueAt, error });
}

function startDueRetries(draft: RunDraft, at: number): void {
  for (const stepKey of draft.plan.nodes.keys()) {
    const step = stepOf(draft, stepKey);
    if (step?.status === 'waiting' && step.dueAt <= at) {
      const { collect } = step;
      const attempt = step.attempt + 1;
      draft.steps[stepKey] = { status: 'running', attempt, collect };
      draft.effects.push({ type: 'startStep', stepKey, attempt, collect });
    }
  }
}

function finishOutput(draft: RunDraft, event: EventOf<'output.evaluated' | 'output.failed'>): void {
  if (draft.status !== 'output') {
    return;
  }
  if (event.type === 'output.failed') {
    failRun(draft, event.error);
    return;
  }
  draft.status = 'succeeded';
  draft.effects.push({ type: 'finishRun', status: 'succeeded' });
}

function cancelRun(draft: RunDraft): void {
  for (const stepKey of draft.plan.nodes.keys()) {
    cancelStep(draft, stepKey);
  }
  draft.status = 'cancelled';
  draft.effects.push({ type: 'finishRun', status: 'cancelled' });
}

/** A run whose last step has ended goes on to its output. */
function finishWhenDone(draft: RunDraft, state: RunState): void {
  if (draft.status !== 'running' || Object.values(draft.steps).some(isOpen)) {
    return;
  }
  draft.status = 'output';
  const { status, steps, edges } = draft;
  draft.effects.push({ type: 'evaluateOutput', source: outputSource(draft.plan, { ...state, status, steps, edges }) });
}

function isRunningAttempt(draft: RunDraft, stepKey: string, attempt: number): boolean {
  const step = stepOf(draft, stepKey);
  return step?.status === 'running' && step.attempt === attempt;
}
