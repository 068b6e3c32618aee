import type { RunError, StepError } from './events.ts';
import type { Json } from './json.ts';
import type { OutputSource } from './output.ts';
import type { WaitFor } from './steps/kind.ts';

/**
 * What the host has to do, or to record, after an event, in this order. Steps are named by their key everywhere.
 * - `startStep`: run an attempt. `collect` names the steps whose outputs a join takes, null for other kinds. A loop is
 *   started by evaluating its config and answered with `loop.started`; a kind that waits with `step.waits`.
 * - `retryStep`: the attempt before `attempt` failed; send `time.passed` at `dueAt` (epoch milliseconds).
 * - `waitStep`: record that the step waits; send `time.passed` at `dueAt` unless that is null.
 * - `succeedStep`: the step ended by itself with this output: a delay that is over, a wait that timed out into a branch.
 * - `failStep`, `skipStep`, `cancelStep`: the step ended this way; nothing is running for it.
 * - `abortStep`: the step is cancelled while an attempt runs; stop it and drop its result.
 * - `evaluateOutput`: nothing is left to run in this scope; answer with `output.evaluated` or `output.failed`, keeping
 *   the value: of the run, or of the iteration `scope` names.
 * - `evaluateUntil`: answer with `until.evaluated` or `until.failed` whether this turn of a repeat was the last.
 * - `finishIteration`: the iteration ended; when it failed its value is `{ error }`.
 * - `collectIterations`: all iterations ended; gather the values of the first `total` and answer `step.succeeded`.
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
  | {
      readonly type: 'waitStep';
      readonly stepKey: string;
      readonly attempt: number;
      readonly for: WaitFor;
      readonly dueAt: number | null;
    }
  | {
      readonly type: 'succeedStep';
      readonly stepKey: string;
      readonly attempt: number;
      readonly output: Json;
      readonly branch?: string;
    }
  | { readonly type: 'failStep'; readonly stepKey: string; readonly error: StepError }
  | { readonly type: 'skipStep'; readonly stepKey: string }
  | { readonly type: 'cancelStep'; readonly stepKey: string }
  | { readonly type: 'abortStep'; readonly stepKey: string }
  | { readonly type: 'evaluateOutput'; readonly scope: string; readonly source: OutputSource }
  | { readonly type: 'evaluateUntil'; readonly stepKey: string; readonly index: number }
  | { readonly type: 'finishIteration'; readonly scope: string; readonly status: 'succeeded' }
  | { readonly type: 'finishIteration'; readonly scope: string; readonly status: 'failed'; readonly error: RunError }
  | { readonly type: 'collectIterations'; readonly stepKey: string; readonly total: number }
  | { readonly type: 'finishRun'; readonly status: 'succeeded' | 'cancelled' }
  | { readonly type: 'finishRun'; readonly status: 'failed'; readonly error: RunError };
