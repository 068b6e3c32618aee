import type { Plan } from './plan.ts';

/**
 * Where a step stands. `attempt` counts started attempts. `collect` names the steps whose outputs a join takes: fixed
 * when it starts, so that a repeated attempt takes the same. `dueAt` is epoch milliseconds.
 */
export type StepState =
  | { readonly status: 'pending' }
  | { readonly status: 'running'; readonly attempt: number; readonly collect: readonly string[] | null }
  | {
      readonly status: 'waiting';
      readonly for: 'retry';
      readonly attempt: number;
      readonly dueAt: number;
      readonly collect: readonly string[] | null;
    }
  | { readonly status: 'succeeded'; readonly attempt: number; readonly branch?: string }
  | { readonly status: 'failed'; readonly attempt: number }
  | { readonly status: 'skipped' }
  | { readonly status: 'cancelled'; readonly attempt: number };

/** An edge settles once. */
export type EdgeState = 'open' | 'taken' | 'dead';

/**
 * All the engine remembers of a run: small JSON, statuses only, never inputs, outputs or messages. `output` means
 * every step has ended and the output is being evaluated. Steps are keyed by step key, edges by index in the plan.
 */
export type RunState = {
  readonly format: 1;
  readonly status: 'created' | 'running' | 'output' | 'succeeded' | 'failed' | 'cancelled';
  readonly steps: Readonly<Record<string, StepState>>;
  readonly edges: readonly EdgeState[];
};

/** The state of a run nobody has started yet. */
export function initialState(plan: Plan): RunState {
  const steps = Object.fromEntries([...plan.nodes.keys()].map((id) => [id, { status: 'pending' } as const]));
  return { format: 1, status: 'created', steps, edges: plan.edges.map(() => 'open') };
}

/** True when no event can change the run any more. */
export function hasEnded(state: RunState): boolean {
  return state.status === 'succeeded' || state.status === 'failed' || state.status === 'cancelled';
}

/** The run as others see it; `nextAttemptAt` (epoch milliseconds) is set exactly while only retries are due. */
export type RunStatus =
  | { readonly status: 'queued'; readonly nextAttemptAt: number | null }
  | { readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled'; readonly nextAttemptAt: null };

/** A run is queued before it starts and while every step it could go on with waits for a retry. */
export function runStatus(state: RunState): RunStatus {
  if (state.status === 'created') {
    return { status: 'queued', nextAttemptAt: null };
  }
  if (state.status !== 'running') {
    return { status: state.status === 'output' ? 'running' : state.status, nextAttemptAt: null };
  }
  const steps = Object.values(state.steps);
  const dueTimes = steps.flatMap((step) => (step.status === 'waiting' ? [step.dueAt] : []));
  if (steps.some((step) => step.status === 'running') || dueTimes.length === 0) {
    return { status: 'running', nextAttemptAt: null };
  }
  return { status: 'queued', nextAttemptAt: Math.min(...dueTimes) };
}

/** The highest attempt of any step, 0 before the first one starts. */
export function countAttempts(state: RunState): number {
  return Math.max(0, ...Object.values(state.steps).map((step) => ('attempt' in step ? step.attempt : 0)));
}
