import type { Effect } from './effects.ts';
import type { Plan } from './plan.ts';
import type { EdgeState, RunState, StepState } from './state.ts';

/** A state being changed by one transition. The state it was opened from is never touched. */
export type RunDraft = {
  readonly plan: Plan;
  status: RunState['status'];
  readonly steps: Record<string, StepState>;
  readonly edges: EdgeState[];
  readonly effects: Effect[];
};

export function openDraft(plan: Plan, state: RunState): RunDraft {
  return { plan, status: state.status, steps: { ...state.steps }, edges: [...state.edges], effects: [] };
}

/** The new state and what to do; the very same state when nothing happened. */
export function closeDraft(draft: RunDraft, state: RunState): [RunState, Effect[]] {
  if (draft.effects.length === 0 && draft.status === state.status && isSameSteps(draft.steps, state.steps)) {
    return [state, []];
  }
  const { status, steps, edges, effects } = draft;
  return [{ format: state.format, status, steps, edges }, effects];
}

/** The state of a step the plan knows, undefined for any other key, `constructor` included. */
export function stepOf(draft: RunDraft, stepKey: string): StepState | undefined {
  return Object.hasOwn(draft.steps, stepKey) ? draft.steps[stepKey] : undefined;
}

/** True while a step can still change. */
export function isOpen(step: StepState | undefined): boolean {
  return step?.status === 'pending' || step?.status === 'running' || step?.status === 'waiting';
}

function isSameSteps(left: Readonly<Record<string, StepState>>, right: Readonly<Record<string, StepState>>): boolean {
  return Object.keys(left).every((stepKey) => left[stepKey] === right[stepKey]);
}
