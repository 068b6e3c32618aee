/** How an attempt failed. `retryable` is the judgement of whoever ran it; `retryAfterMs` is what a service asked for. */
export type StepError = {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
};

/** Why a run failed; `stepId` is the step's key, absent when no step is to blame. */
export type RunError = { readonly code: string; readonly message: string; readonly stepId?: string };

/**
 * Everything that can happen to a run. `at` is epoch milliseconds. Step events name the attempt they belong to, so a
 * repeated or late one is recognized; `random` in [0, 1) spreads the next attempt. The output events answer the effect
 * `evaluateOutput`.
 */
export type RunEvent =
  | { readonly type: 'run.started'; readonly at: number }
  | {
      readonly type: 'step.succeeded';
      readonly stepKey: string;
      readonly attempt: number;
      readonly branch?: string;
      readonly at: number;
    }
  | {
      readonly type: 'step.failed';
      readonly stepKey: string;
      readonly attempt: number;
      readonly error: StepError;
      readonly at: number;
      readonly random: number;
    }
  | { readonly type: 'retry.due'; readonly at: number }
  | { readonly type: 'output.evaluated'; readonly at: number }
  | { readonly type: 'output.failed'; readonly error: RunError; readonly at: number }
  | { readonly type: 'run.cancelled'; readonly at: number };
