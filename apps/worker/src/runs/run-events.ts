import type { ClaimedRun } from '@millrace/db/run-ownership';
import {
  type RunRef,
  workflowRunCancelled,
  workflowRunFailed,
  workflowRunRetried,
  workflowRunStarted,
  workflowRunSucceeded,
} from '@millrace/shared/events';
import { countAttempts, type RunState, runStatus } from '@millrace/workflow/state';
import type { Logger } from 'pino';
import type { Execution } from './execution.ts';
import { firstRetry } from './retries.ts';

/**
 * The trace of a run is started -> (retried -> started)* -> succeeded | failed | cancelled, whoever executes it. Only its first
 * claim and the first claim after a pause start it; a take-over and a hand-over go on without a word.
 */
export function logStarted(run: Execution, previous: RunState): void {
  const { leaseToken, lostClaims } = run.claim;
  const isPauseOver = lostClaims === 0 && run.claim.state !== null && runStatus(previous).status === 'queued';
  run.isStartLogged = true;
  if (leaseToken !== 1 && !isPauseOver) return;
  workflowRunStarted(run.deps.log, { ...refOf(run.claim), attemptCount: countAttempts(run.state) });
}

/** For a run that fails before the engine saw it, so that its trace begins like any other. */
export function logStillborn(log: Logger, claim: ClaimedRun): void {
  if (claim.leaseToken === 1) workflowRunStarted(log, { ...refOf(claim), attemptCount: claim.attemptCount });
}

/** The run pauses until the first of its retries is due. Retries while other steps run are not events of the run. */
export function logRetried(run: Execution): void {
  const retry = firstRetry(run.state);
  if (retry === null) return;
  workflowRunRetried(run.deps.log, {
    ...refOf(run.claim),
    attemptCount: countAttempts(run.state),
    errorCode: run.errors.get(retry.stepKey)?.code ?? 'UNKNOWN',
    nextAttemptAt: new Date(retry.dueAt).toISOString(),
    stepId: retry.stepKey,
  });
}

/** `error` null: the run succeeded, or was cancelled. Durations are milliseconds from the first start, by PostgreSQL's clock. */
export function logEnded(
  log: Logger,
  claim: ClaimedRun,
  end: { nowMs: number; attemptCount: number; error: { code: string } | null; isCancelled: boolean },
): void {
  const durationMs = Math.max(0, Math.round(end.nowMs - claim.startedAt.getTime()));
  const fields = { ...refOf(claim), attemptCount: end.attemptCount, durationMs };
  if (end.isCancelled) workflowRunCancelled(log, fields);
  else if (end.error === null) workflowRunSucceeded(log, fields);
  else workflowRunFailed(log, { ...fields, errorCode: end.error.code });
}

export function refOf({ orgId, workflowId, runId }: ClaimedRun): RunRef {
  return { orgId, workflowId, runId };
}
