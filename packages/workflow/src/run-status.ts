import { type Frame, hasEnded, type RunState, type StepState } from './state.ts';
import { iterationScope, ON_FAILURE, stepKeyIn } from './step-keys.ts';

/**
 * The run as others see it. `nextAttemptAt` (epoch milliseconds) is the first moment at which something is due by
 * itself; null while something runs, and when all that is awaited takes as long as it takes.
 */
export type RunStatus =
  | { readonly status: 'queued' | 'waiting'; readonly nextAttemptAt: number | null }
  | { readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled'; readonly nextAttemptAt: null };

export type KeyedStep = { readonly stepKey: string; readonly step: StepState };

/**
 * A run is queued before it starts and while it could only go on with retries, waiting while nothing runs and
 * something else is awaited (whether or not retries are, too), else running.
 */
export function runStatus(state: RunState): RunStatus {
  if (state.status === 'created') {
    return { status: 'queued', nextAttemptAt: null };
  }
  if (state.status !== 'running' && state.status !== 'failing') {
    return { status: state.status === 'output' ? 'running' : state.status, nextAttemptAt: null };
  }
  const steps = listSteps(state).map(({ step }) => step);
  const waiting = steps.filter((step) => step.status === 'waiting');
  if (waiting.length === 0 || steps.some(isBusy)) {
    return { status: 'running', nextAttemptAt: null };
  }
  const isOnlyRetries = waiting.every((step) => step.for === 'retry');
  return { status: isOnlyRetries ? 'queued' : 'waiting', nextAttemptAt: nextDueAt(state) };
}

/** The first moment (epoch milliseconds) at which `time.passed` has something to do, whatever runs meanwhile. */
export function nextDueAt(state: RunState): number | null {
  if (hasEnded(state)) {
    return null;
  }
  const waits = listSteps(state).flatMap(({ step }) => (step.status === 'waiting' ? (step.dueAt ?? []) : []));
  const times = [...waits, ...(state.deadlineAt === undefined ? [] : [state.deadlineAt])];
  return times.length === 0 ? null : Math.min(...times);
}

/** The highest attempt of any step that is remembered, 0 before the first one starts. It falls when iterations end. */
export function countAttempts(state: RunState): number {
  return Math.max(0, ...listSteps(state).map(({ step }) => ('attempt' in step ? step.attempt : 0)));
}

/** The steps of the run, of open iterations and of `onFailure`; a loop comes before the steps of its iterations. */
export function listSteps(state: RunState): KeyedStep[] {
  return [...stepsOf(state, ''), ...(state.onFailure === undefined ? [] : stepsOf(state.onFailure, ON_FAILURE))];
}

function stepsOf(frame: Frame, scope: string): KeyedStep[] {
  return Object.entries(frame.steps).flatMap(([id, step]) => {
    const stepKey = stepKeyIn(scope, id);
    const frames = step.status === 'running' ? (step.loop?.frames ?? {}) : {};
    const inside = Object.entries(frames).flatMap(([index, iteration]) =>
      stepsOf(iteration, iterationScope(stepKey, Number(index))),
    );
    return [{ stepKey, step }, ...inside];
  });
}

/** True for a step the host works on. A loop is not busy while its iterations are what is under way. */
function isBusy(step: StepState): boolean {
  if (step.status !== 'running') {
    return false;
  }
  const frames = Object.values(step.loop?.frames ?? {});
  return frames.length === 0 || frames.some(({ phase }) => phase !== 'steps');
}
