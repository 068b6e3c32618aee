import type { Plan } from './plan.ts';
import { initialState, type RunState, type StepState } from './state.ts';

/**
 * The state of a new run that goes on where this one, which failed or was cancelled, came to its end. What has finished
 * stays as it is, with its edges; all else is pending again, loops that had not ended from their beginning.
 * `run.started` begins whatever can begin now, and renews the time the run may take. Skipped steps follow from the edges
 * and are skipped again where they still have to be.
 */
export function retryState(plan: Plan, ended: RunState): RunState {
  const fresh = initialState(plan);
  const finished = finishedSteps(plan, ended);
  return {
    ...fresh,
    steps: { ...fresh.steps, ...Object.fromEntries(finished) },
    edges: plan.edges.map(({ from }, index) => (finished.has(from) ? (ended.edges[index] ?? 'open') : 'open')),
  };
}

/** Ids of the nodes whose steps `retryState` keeps: what they are, and their outputs, belong to the new run too. */
export function keptSteps(state: RunState): string[] {
  return Object.entries(state.steps).flatMap(([id, { status }]) => (status === 'pending' ? [] : [id]));
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
