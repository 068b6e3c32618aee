import type { Plan } from './plan.ts';
import { initialState, type LoopReach, type RunState, reachOf, type StepState } from './state.ts';

/**
 * The state of a new run that goes on where this one, which failed or was cancelled, came to its end. What has finished
 * stays as it is, with its edges; a loop goes on at the first iteration that had not ended; all else is pending again.
 * `run.started` begins whatever can begin now, and renews the time the run may take. Skipped steps follow from the edges
 * and are skipped again where they still have to be.
 */
export function retryState(plan: Plan, ended: RunState): RunState {
  const fresh = initialState(plan);
  const finished = finishedSteps(plan, ended);
  const edges = plan.edges.map(({ from }, index) => (finished.has(from) ? (ended.edges[index] ?? 'open') : 'open'));
  const begun = Object.entries(ended.steps).flatMap(([id, step]) => {
    const loop = finished.has(id) ? null : goOn(step);
    // What its items are made of must be the same as before.
    const isSettled = plan.nodes.get(id)?.incoming.every((index) => edges[index] !== 'open');
    return loop === null || !isSettled ? [] : [[id, loop] as const];
  });
  return { ...fresh, steps: { ...fresh.steps, ...Object.fromEntries([...finished, ...begun]) }, edges };
}

/** Nodes whose steps `retryState` keeps; of a loop that goes on, the first `endedCount` iterations. */
export type KeptStep = { readonly id: string; readonly endedCount: number | null };

/** What belongs to the new run too, with all inputs and outputs. */
export function keptSteps(state: RunState): KeptStep[] {
  return Object.entries(state.steps).flatMap(([id, step]) => {
    if (step.status === 'pending') {
      return [];
    }
    return [{ id, endedCount: step.status === 'running' ? (step.loop?.done ?? 0) : null }];
  });
}

/** A loop that goes on behind the iterations it had ended one after another; null when there are none. */
function goOn(step: StepState): StepState | null {
  const reach = reached(step);
  if (reach === null || reach.count === 0 || !('attempt' in step)) {
    return null;
  }
  const { total, count } = reach;
  return {
    status: 'running',
    attempt: step.attempt,
    collect: null,
    loop: { total, next: count, done: count, frames: {} },
  };
}

function reached(step: StepState): LoopReach | null {
  if (step.status === 'failed' || step.status === 'cancelled') {
    return step.reached ?? null;
  }
  // The run was ended without the engine.
  return step.status === 'running' && step.loop !== undefined ? reachOf(step.loop) : null;
}

/**
 * Succeeded steps; failed ones that something finished has built upon, so that no two branches of one step are taken;
 * and those a join had no more need of.
 */
function finishedSteps(plan: Plan, { steps, edges }: RunState): Map<string, StepState> {
  const known = new Map<string, boolean>();
  const isFinished = (id: string): boolean => {
    const found = known.get(id) ?? decide(id);
    known.set(id, found);
    return found;
  };
  const decide = (id: string): boolean => {
    const outgoing = plan.nodes.get(id)?.outgoing ?? [];
    switch (steps[id]?.status) {
      case 'succeeded':
        return true;
      case 'failed':
        return outgoing.some((index) => edges[index] === 'taken' && isFinished(plan.edges[index]?.to ?? ''));
      case 'cancelled':
        // The end of a run leaves the edges of what it cancels open; a join that cancels the rest settles them.
        return outgoing.length > 0 && outgoing.every((index) => edges[index] !== 'open');
      default:
        return false;
    }
  };
  return new Map(Object.entries(steps).filter(([id]) => plan.nodes.has(id) && isFinished(id)));
}
