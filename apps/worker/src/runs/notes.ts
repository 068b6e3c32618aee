import type { Effect } from '@millrace/workflow/effects';
import type { RunEvent, StepError } from '@millrace/workflow/events';
import type { Json } from '@millrace/workflow/json';
import { findStep, locateScope } from '@millrace/workflow/locate';
import { stepKeyIn } from '@millrace/workflow/step-keys';
import { transition } from '@millrace/workflow/transition';
import { type Execution, noteStep } from './execution.ts';
import { observeRetry } from './observe.ts';

/** Effects that only have to be noted for the next record. */
export type NotedEffect = Exclude<
  Effect,
  { type: 'startStep' | 'evaluateOutput' | 'evaluateUntil' | 'collectIterations' }
>;

/** Feeds one event to the engine and answers what it asks for; nothing when the event came too late. */
export function apply(run: Execution, event: RunEvent): readonly Effect[] {
  const [state, effects] = transition(run.plan, run.state, event);
  if (state !== run.state) run.changes.isDirty = true;
  run.stateBefore = run.state;
  run.state = state;
  return effects;
}

export function noteEffect(run: Execution, effect: NotedEffect): void {
  switch (effect.type) {
    case 'finishRun':
      run.changes.error = effect.status === 'failed' ? effect.error : undefined;
      run.changes.entries.push({ type: `run.${effect.status}`, error: run.changes.error });
      break;
    case 'finishIteration':
      finishIteration(run, effect);
      break;
    case 'waitStep':
      noteWait(run, effect);
      break;
    case 'succeedStep':
      noteSuccess(run, effect.stepKey, effect.attempt, effect.output);
      break;
    case 'retryStep':
      observeRetry(run, effect.stepKey);
      noteFailure(run, effect.stepKey, effect.attempt - 1, 'waiting', effect.error);
      break;
    case 'failStep':
      noteFailure(run, effect.stepKey, attemptOf(run, effect.stepKey), 'failed', effect.error);
      break;
    case 'skipStep':
      noteStep(run, { stepKey: effect.stepKey, status: 'skipped', attempt: attemptOf(run, effect.stepKey) });
      break;
    case 'cancelStep':
    case 'abortStep':
      noteCancelled(run, effect.stepKey);
      break;
    default:
      effect satisfies never;
  }
}

/** The output becomes readable for the steps behind and is recorded with the transition that the success causes. */
export function noteSuccess(run: Execution, stepKey: string, attempt: number, output: Json, input?: Json): void {
  run.outputs.set(stepKey, output);
  const given = input === undefined ? {} : { input };
  noteStep(run, { stepKey, status: 'succeeded', attempt, output, ...given });
}

export function stepFailed(run: Execution, stepKey: string, attempt: number, error: StepError): RunEvent {
  return { type: 'step.failed', stepKey, attempt, error, at: run.clock(), random: Math.random() };
}

function noteFailure(
  run: Execution,
  stepKey: string,
  attempt: number,
  status: 'waiting' | 'failed',
  { code, message, stepId }: StepError,
): void {
  const error = { code, message, ...(stepId === undefined ? {} : { stepId }) };
  run.errors.set(stepKey, error);
  noteStep(run, { stepKey, status, attempt, error });
}

/** A step whose outcome nobody knows shows what was seen of it. */
function noteWait(run: Execution, { stepKey, attempt, for: what }: Extract<Effect, { type: 'waitStep' }>): void {
  const error = what === 'decision' ? run.errors.get(stepKey) : undefined;
  noteStep(run, { stepKey, status: 'waiting', attempt, ...(error && { error }) });
}

function noteCancelled(run: Execution, stepKey: string): void {
  noteStep(run, { stepKey, status: 'cancelled', attempt: attemptOf(run, stepKey) });
  run.changes.aborts.push(stepKey);
  run.changes.starts = run.changes.starts.filter((planned) => planned.stepKey !== stepKey);
}

/** The value is what stays of an iteration: the loop reads it at its end, a repeat's next turn before. */
function finishIteration(run: Execution, effect: Extract<Effect, { type: 'finishIteration' }>): void {
  const { scope } = effect;
  if (effect.status === 'failed') run.outputs.set(scope, { error: { ...effect.error } });
  noteStep(run, { stepKey: scope, status: 'succeeded', attempt: 1, output: run.outputs.get(scope) ?? null });
  // Whether a turn of a repeat was the last is asked next, unless it failed, and may depend on its steps.
  const isAsked =
    effect.status === 'succeeded' && locateScope(run.plan, scope)?.loops.at(-1)?.node.loop?.until !== null;
  if (!isAsked) forgetIteration(run, scope);
}

/** What the steps of an iteration said is read no more. */
export function forgetIteration(run: Execution, scope: string): void {
  for (const id of locateScope(run.plan, scope)?.graph.nodes.keys() ?? []) {
    for (const values of [run.inputs, run.outputs, run.errors]) values.delete(stepKeyIn(scope, id));
  }
}

function attemptOf(run: Execution, stepKey: string): number {
  // Of an iteration that ended with this very event nothing is left in the state.
  const state = findStep(run.state, stepKey) ?? findStep(run.stateBefore, stepKey);
  return state !== undefined && 'attempt' in state ? state.attempt : 0;
}
