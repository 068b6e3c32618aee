import type { RunError, StepError } from './events.ts';
import type { OutputSource } from './output.ts';

/**
 * What the host has to do, or to record, after an event, in this order.
 * - `startStep`: run an attempt. `collect` names the steps whose outputs a join takes, null for other kinds.
 * - `retryStep`: the attempt before `attempt` failed; send `retry.due` at `dueAt` (epoch milliseconds).
 * - `failStep`, `skipStep`, `cancelStep`: the step ended this way; nothing is running for it.
 * - `abortStep`: the step is cancelled while an attempt runs; stop it and drop its result.
 * - `evaluateOutput`: nothing is left to run; answer with `output.evaluated` or `output.failed`.
 * - `finishRun`: the run ended; no event changes it any more.
 */
export type Effect =
  | {
      readonly type: 'startStep';
      readonly stepKey: string;
      readonly attempt: number;
      readonly collect: readonly string[] | null;
    }
  | {
      readonly type: 'retryStep';
      readonly stepKey: string;
      readonly attempt: number;
      readonly dueAt: number;
      readonly error: StepError;
    }
  | { readonly type: 'failStep'; readonly stepKey: string; readonly error: StepError }
  | { readonly type: 'skipStep'; readonly stepKey: string }
  | { readonly type: 'cancelStep'; readonly stepKey: string }
  | { readonly type: 'abortStep'; readonly stepKey: string }
  | { readonly type: 'evaluateOutput'; readonly source: OutputSource }
  | { readonly type: 'finishRun'; readonly status: 'succeeded' | 'cancelled' }
  | { readonly type: 'finishRun'; readonly status: 'failed'; readonly error: RunError };
