import type { WaitFor } from './steps/kind.ts';

/**
 * How an attempt failed. `retryable` is the judgement of whoever ran it; `retryAfterMs` is what a service asked for.
 * `stepId` names the step that is really to blame, when that is another one: the step of an iteration.
 */
export type StepError = {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly stepId?: string;
};

/** Why a run failed; `stepId` is the step's key, absent when no step is to blame. */
export type RunError = { readonly code: string; readonly message: string; readonly stepId?: string };

/** What a person says about a step whose outcome nobody knows. */
export type Decision = 'retry' | 'skip' | 'fail';

/**
 * Everything that can happen to a run. `at` is epoch milliseconds. Step events name the attempt they belong to, so a
 * repeated or late one is recognized; `random` in [0, 1) spreads the next attempt.
 * - `time.passed`: starts due retries, ends due delays, times out waits, and ends a run that ran too long.
 * - `step.waits`: the step now waits for something outside, until `dueAt` at the latest (null: as long as it takes).
 * - `step.resumed`, `step.resumeFailed`: what it waited for came (the host has the output), or will never come.
 * - `step.unknown`: an attempt may or may not have had its effect; a person answers with `step.decided`. After `skip`
 *   the step has succeeded with a value that the host has.
 * - `loop.started`: answers `startStep` of a loop with the number of items (foreach) or of turns at most (repeat).
 * - `output.*` answer `evaluateOutput`; `scope` is '' for the run and `<loop's key>.<index>` for an iteration.
 * - `until.*` answer `evaluateUntil`.
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
  | {
      readonly type: 'step.waits';
      readonly stepKey: string;
      readonly attempt: number;
      readonly for: WaitFor;
      readonly dueAt: number | null;
      readonly at: number;
    }
  | { readonly type: 'step.resumed'; readonly stepKey: string; readonly branch?: string; readonly at: number }
  | { readonly type: 'step.resumeFailed'; readonly stepKey: string; readonly error: StepError; readonly at: number }
  | { readonly type: 'step.unknown'; readonly stepKey: string; readonly attempt: number; readonly at: number }
  | {
      readonly type: 'step.decided';
      readonly stepKey: string;
      readonly attempt: number;
      readonly decision: Decision;
      readonly at: number;
    }
  | {
      readonly type: 'loop.started';
      readonly stepKey: string;
      readonly attempt: number;
      readonly total: number;
      readonly at: number;
    }
  | {
      readonly type: 'until.evaluated';
      readonly stepKey: string;
      readonly index: number;
      readonly holds: boolean;
      readonly at: number;
    }
  | {
      readonly type: 'until.failed';
      readonly stepKey: string;
      readonly index: number;
      readonly error: StepError;
      readonly at: number;
    }
  | { readonly type: 'time.passed'; readonly at: number }
  | { readonly type: 'output.evaluated'; readonly scope: string; readonly at: number }
  | { readonly type: 'output.failed'; readonly scope: string; readonly error: RunError; readonly at: number }
  | { readonly type: 'run.cancelled'; readonly at: number };

/** The event of this type. */
export type EventOf<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;
