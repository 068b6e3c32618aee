import type { Effect } from './effects.ts';
import { locate } from './locate.ts';
import { outputSource } from './output.ts';
import type { Plan, PlannedNode } from './plan.ts';
import { type KeyedStep, listSteps } from './run-status.ts';
import { hasEnded, type Iteration, type LoopState, type RunState } from './state.ts';
import { iterationScope, scopeOf, stepKeyIn } from './step-keys.ts';
import { transition } from './transition.ts';
import { releaseSteps } from './withheld.ts';

/**
 * What a new owner of a run has to do after the old one died, at epoch milliseconds `at`: begin a run nobody began,
 * run again what was running, do what is due, evaluate what was being evaluated. Ended steps never run again.
 * A step that was running keeps its attempt number: an attempt is used up once its result is recorded, and this one's
 * never was, so a dying worker costs a step none of its attempts. Where an attempt must not be repeated
 * (`idempotency: "none"`), a person decides instead, unless the old owner said that it had not begun it.
 */
export function resume(plan: Plan, state: RunState, at: number): [RunState, Effect[]] {
  if (state.status === 'created') {
    return transition(plan, state, { type: 'run.started', at });
  }
  if (hasEnded(state)) {
    return [state, []];
  }
  const unknown = listSteps(state).filter((keyed) => isUnknown(plan, keyed));
  let current = releaseSteps(plan, state);
  const effects: Effect[] = [];
  for (const { stepKey, step } of unknown) {
    const attempt = 'attempt' in step ? step.attempt : 0;
    const [next, asked] = transition(plan, current, { type: 'step.unknown', stepKey, attempt, at });
    current = next;
    effects.push(...asked);
  }
  const again = workOf(plan, current);
  const [next, due] = transition(plan, current, { type: 'time.passed', at });
  // What was under way is not begun again in a run whose time is over.
  const isOver = current.deadlineAt !== undefined && current.deadlineAt <= at;
  return [next, [...effects, ...(isOver ? [] : again), ...due]];
}

/** True for an attempt that may have had its effect, and must not have it twice. */
function isUnknown(plan: Plan, { stepKey, step }: KeyedStep): boolean {
  const node = step.status === 'running' && !step.isWithheld ? locate(plan, stepKey)?.node : undefined;
  return node?.idempotency === 'none' && isAction(node);
}

/** A kind that neither is pure nor waits nor loops is executed by a connector. */
function isAction({ kind }: PlannedNode): boolean {
  return kind.run === undefined && kind.wait === undefined && kind.loop === undefined;
}

/** What the host of this state is doing, as the effects that would have it begin. */
function workOf(plan: Plan, state: RunState): Effect[] {
  if (state.status === 'output') {
    return [{ type: 'evaluateOutput', scope: '', source: outputSource(plan, state, '') }];
  }
  return listSteps(state).flatMap(({ stepKey, step }): Effect[] => {
    if (step.status !== 'running') {
      return [];
    }
    if (step.loop !== undefined) {
      return loopWork(plan, stepKey, step.loop);
    }
    const collect = step.collect?.map((id) => stepKeyIn(scopeOf(stepKey), id)) ?? null;
    return [{ type: 'startStep', stepKey, attempt: step.attempt, collect }];
  });
}

function loopWork(plan: Plan, stepKey: string, { total, done, frames }: LoopState): Effect[] {
  if (done >= total) {
    return [{ type: 'collectIterations', stepKey, total }];
  }
  return Object.entries(frames).flatMap(([index, iteration]) => iterationWork(plan, stepKey, Number(index), iteration));
}

function iterationWork(plan: Plan, stepKey: string, index: number, iteration: Iteration): Effect[] {
  const body = locate(plan, stepKey)?.node.loop?.body;
  if (iteration.phase === 'until') {
    return [{ type: 'evaluateUntil', stepKey, index }];
  }
  if (iteration.phase === 'steps' || body === undefined) {
    return [];
  }
  const scope = iterationScope(stepKey, index);
  return [{ type: 'evaluateOutput', scope, source: outputSource(body, iteration, scope) }];
}
