import type { RunError } from './events.ts';
import type { Graph, Plan } from './plan.ts';
import type { WaitFor } from './steps/kind.ts';

/**
 * Where a step stands. `attempt` counts started attempts. `collect` names the nodes whose outputs a join takes: fixed
 * when it starts, so that a repeated attempt takes the same. `dueAt` is epoch milliseconds, null for what takes as long
 * as it takes. A loop is `running` from its start to its end, and has `loop` once the number of its items is known.
 * `isWithheld`: the attempt is recorded, and its owner gave the run up before it began it. `reached` is how far a loop
 * came that did not come to its end. `since` (epoch milliseconds) is when the first attempt started, for steps whose
 * expressions may ask for the time: whichever attempt evaluates them, they hear the same.
 */
export type StepState =
  | { readonly status: 'pending' }
  | {
      readonly status: 'running';
      readonly attempt: number;
      readonly collect: readonly string[] | null;
      readonly since?: number;
      readonly loop?: LoopState;
      readonly isWithheld?: true;
    }
  | {
      readonly status: 'waiting';
      readonly for: 'retry' | WaitFor;
      readonly attempt: number;
      readonly dueAt: number | null;
      readonly collect: readonly string[] | null;
      readonly since?: number;
    }
  | { readonly status: 'succeeded'; readonly attempt: number; readonly branch?: string }
  | { readonly status: 'failed'; readonly attempt: number; readonly reached?: LoopReach }
  | { readonly status: 'skipped' }
  | { readonly status: 'cancelled'; readonly attempt: number; readonly reached?: LoopReach };

/**
 * Where a loop of `total` iterations at most was when it ended without its values: `next` had begun, and all of them but those in
 * `frames` had ended.
 */
export type LoopReach = Pick<LoopState, 'total' | 'next' | 'frames'>;

/** An edge settles once. */
export type EdgeState = 'open' | 'taken' | 'dead';

/** One walk through a graph: of the run itself, of an iteration, of `onFailure`. Steps by node id, edges by index. */
export type Frame = { readonly steps: Readonly<Record<string, StepState>>; readonly edges: readonly EdgeState[] };

/** An iteration that has not ended: it runs its steps, then its output is evaluated, then a repeat's `until`. */
export type Iteration = Frame & { readonly phase: 'steps' | 'output' | 'until' };

/**
 * A loop of `total` iterations at most, of which `next` have begun and `done` have ended. Only open iterations are
 * kept, so the state of a loop over 10,000 items is small.
 */
export type LoopState = {
  readonly total: number;
  readonly next: number;
  readonly done: number;
  readonly frames: Readonly<Record<string, Iteration>>;
};

/**
 * All the engine remembers of a run: small JSON, statuses only, never inputs or outputs. `output` means every step has
 * ended and the output is being evaluated; `failing` that the run failed with `failure` and the steps of `onFailure`
 * are under way. `deadlineAt` (epoch milliseconds) is when the run, or then `onFailure`, has taken too long.
 */
export type RunState = Frame & {
  readonly format: 1;
  readonly status: 'created' | 'running' | 'output' | 'failing' | 'succeeded' | 'failed' | 'cancelled';
  readonly deadlineAt?: number;
  readonly failure?: RunError;
  readonly onFailure?: Frame;
};

/** The state of a run nobody has started yet. */
export function initialState(plan: Plan): RunState {
  return { format: 1, status: 'created', ...initialFrame(plan) };
}

export function initialFrame({ nodes, edges }: Graph): Frame {
  const steps = Object.fromEntries([...nodes.keys()].map((id) => [id, { status: 'pending' } as const]));
  return { steps, edges: edges.map(() => 'open') };
}

/** What all attempts of a step have in common. */
export function commonOf({ collect, since }: Extract<StepState, { collect: unknown }>) {
  return { collect, ...(since !== undefined && { since }) };
}

/** True when no event can change the run any more. */
export function hasEnded(state: RunState): boolean {
  return state.status === 'succeeded' || state.status === 'failed' || state.status === 'cancelled';
}
