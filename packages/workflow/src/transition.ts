import type { Effect } from './effects.ts';
import type { EventOf, RunEvent } from './events.ts';
import {
  beginFrame,
  continueLoop,
  failIteration,
  failOutput,
  failUntil,
  finishOutput,
  finishSteps,
  finishUntil,
} from './loops.ts';
import { outputSource } from './output.ts';
import type { Plan } from './plan.ts';
import { isRetried, retryDelayMs } from './retry.ts';
import {
  closeDraft,
  type FrameDraft,
  findTarget,
  frameAt,
  isOpen,
  openDraft,
  openOnFailure,
  type RunDraft,
  setLoop,
} from './run-draft.ts';
import { closeFrame, failFrame, failStep, startFrame, succeedStep } from './settle.ts';
import { commonOf, hasEnded, initialFrame, type RunState } from './state.ts';
import { iterationScope } from './step-keys.ts';
import { beginWait, deadlineFrom, decide, failWait, passTime, resumeStep } from './waits.ts';

/**
 * The engine: what a run becomes through an event, and what has to be done. Synchronous, without clock, randomness or
 * I/O. A repeated, late or foreign event changes nothing and returns the same state object; so does any event after
 * the run ended. Every state it returns either has ended, or has something that the host works on (a running step, an
 * output, the values of a loop), or waits for a time or a named thing.
 */
export function transition(plan: Plan, state: RunState, event: RunEvent): [RunState, Effect[]] {
  if (hasEnded(state)) {
    return [state, []];
  }
  const draft = openDraft(plan, state, event.at);
  applyEvent(draft, event);
  spreadFailures(draft, event.at);
  finishFrames(draft);
  return closeDraft(draft);
}

function applyEvent(draft: RunDraft, event: RunEvent): void {
  switch (event.type) {
    case 'run.started':
      startRun(draft, event.at);
      break;
    case 'run.cancelled':
      cancelRun(draft);
      break;
    case 'time.passed':
      passTime(draft, event.at);
      break;
    case 'output.evaluated':
    case 'output.failed':
      endOutput(draft, event);
      break;
    case 'loop.started':
      startLoop(draft, event);
      break;
    case 'until.evaluated':
    case 'until.failed':
      endUntil(draft, event);
      break;
    default:
      applyStepEvent(draft, event);
      break;
  }
}

function applyStepEvent(draft: RunDraft, event: Extract<RunEvent, { type: `step.${string}` }>): void {
  switch (event.type) {
    case 'step.succeeded':
      endAttempt(draft, event);
      break;
    case 'step.failed':
      failAttempt(draft, event);
      break;
    case 'step.waits':
      beginWait(draft, event);
      break;
    case 'step.unknown':
      beginWait(draft, { ...event, for: 'decision', dueAt: null });
      break;
    case 'step.resumed':
      resumeStep(draft, event);
      break;
    case 'step.resumeFailed':
      failWait(draft, event);
      break;
    case 'step.decided':
      decide(draft, event);
      break;
    default:
      event satisfies never;
  }
}

function startRun(draft: RunDraft, at: number): void {
  if (draft.status !== 'created') {
    return;
  }
  draft.status = 'running';
  draft.isChanged = true;
  draft.deadlineAt = deadlineFrom(draft, at);
  beginFrame(draft, draft.root);
}

function endAttempt(draft: RunDraft, { stepKey, attempt, branch }: EventOf<'step.succeeded'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status !== 'running' || target.step.attempt !== attempt) {
    return;
  }
  const { frame, node, step } = target;
  // A loop has succeeded when its values are collected, never before.
  if (node.loop === null || (step.loop !== undefined && step.loop.done >= step.loop.total)) {
    succeedStep(draft, frame, node, { attempt, branch });
  }
}

function failAttempt(draft: RunDraft, { stepKey, attempt, error, at, random }: EventOf<'step.failed'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status !== 'running' || target.step.attempt !== attempt) {
    return;
  }
  const { frame, node, step } = target;
  // A loop whose iterations have begun is never begun again.
  if (step.loop !== undefined || !isRetried(node.retry, attempt, error)) {
    failStep(draft, frame, node, attempt, error);
    return;
  }
  const dueAt = at + retryDelayMs(node.retry, attempt, error, random);
  frame.steps[node.id] = { status: 'waiting', for: 'retry', attempt, dueAt, ...commonOf(step) };
  draft.isChanged = true;
  draft.effects.push({ type: 'retryStep', stepKey, attempt: attempt + 1, dueAt, error });
}

function startLoop(draft: RunDraft, { stepKey, attempt, total }: EventOf<'loop.started'>): void {
  const target = findTarget(draft, stepKey);
  if (target?.step.status !== 'running' || target.step.attempt !== attempt || target.step.loop !== undefined) {
    return;
  }
  const { frame, node } = target;
  if (node.loop !== null) {
    setLoop(draft, frame, node, { total, next: 0, done: 0, frames: {} });
    continueLoop(draft, frame, node);
  }
}

function endOutput(draft: RunDraft, event: EventOf<'output.evaluated' | 'output.failed'>): void {
  const frame = frameAt(draft, event.scope);
  if (frame !== null && frame.loop !== null) {
    endIterationOutput(draft, frame, event);
    return;
  }
  if (frame !== draft.root || draft.status !== 'output') {
    return;
  }
  if (event.type === 'output.failed') {
    failFrame(draft, frame, event.error);
    return;
  }
  draft.status = 'succeeded';
  draft.isChanged = true;
  draft.effects.push({ type: 'finishRun', status: 'succeeded' });
}

function endIterationOutput(
  draft: RunDraft,
  frame: FrameDraft,
  event: EventOf<'output.evaluated' | 'output.failed'>,
): void {
  if (event.type === 'output.failed') {
    failOutput(draft, frame, event.error);
  } else {
    finishOutput(draft, frame);
  }
}

function endUntil(draft: RunDraft, event: EventOf<'until.evaluated' | 'until.failed'>): void {
  const frame = frameAt(draft, iterationScope(event.stepKey, event.index));
  if (frame === null) {
    return;
  }
  if (event.type === 'until.failed') {
    failUntil(draft, frame, event.error);
  } else {
    finishUntil(draft, frame, event.holds);
  }
}

function cancelRun(draft: RunDraft): void {
  closeFrame(draft, draft.root, 'cancelled');
  if (draft.onFailure !== null) {
    closeFrame(draft, draft.onFailure, 'cancelled');
  }
  draft.status = 'cancelled';
  draft.isChanged = true;
  draft.effects.push({ type: 'finishRun', status: 'cancelled' });
}

/** A failed iteration may fail its loop, which may fail what is around it, up to the run. */
function spreadFailures(draft: RunDraft, at: number): void {
  for (let failed = draft.failures.shift(); failed !== undefined; failed = draft.failures.shift()) {
    if (failed.frame.loop !== null) {
      failIteration(draft, failed.frame, failed.error);
    } else {
      // The first failure is the run's, whatever happens in `onFailure`.
      draft.failure ??= failed.error;
      endFailedRun(draft, failed.frame === draft.root ? at : null);
    }
  }
}

/** `onFailureAt` is when its steps begin, with as much time as the run had; null when they have ended. */
function endFailedRun(draft: RunDraft, onFailureAt: number | null): void {
  const graph = draft.plan.onFailure;
  draft.isChanged = true;
  draft.deadlineAt = undefined;
  if (onFailureAt !== null && graph !== null) {
    draft.status = 'failing';
    draft.deadlineAt = deadlineFrom(draft, onFailureAt);
    startFrame(draft, openOnFailure(draft, graph, initialFrame(graph)));
    return;
  }
  draft.status = 'failed';
  const error = draft.failure ?? { code: 'INTERNAL', message: 'The run failed.' };
  draft.effects.push({ type: 'finishRun', status: 'failed', error });
}

/** A frame whose last step has ended goes on to its output. */
function finishFrames(draft: RunDraft): void {
  for (const frame of draft.frames.values()) {
    if (frame.isClosed || Object.values(frame.steps).some(isOpen)) {
      continue;
    }
    if (frame.loop !== null) {
      finishSteps(draft, frame);
    } else if (frame === draft.root && draft.status === 'running') {
      draft.status = 'output';
      draft.isChanged = true;
      draft.effects.push({ type: 'evaluateOutput', scope: '', source: outputSource(frame.graph, frame, '') });
    } else if (frame === draft.onFailure && draft.status === 'failing') {
      endFailedRun(draft, null);
    }
  }
}
