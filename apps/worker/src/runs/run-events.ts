import type { ClaimedRun } from '@millrace/db/run-ownership';
import {
  type RunRef,
  workflowRunCancelled,
  workflowRunFailed,
  workflowRunRetried,
  workflowRunStarted,
  workflowRunSucceeded,
  workflowRunWaiting,
} from '@millrace/shared/events';
import { listSteps, runStatus } from '@millrace/workflow/run-status';
import type { RunState } from '@millrace/workflow/state';
import type { Logger } from 'pino';
import type { Execution } from './execution.ts';
import { noteOutcome, type TracedRun } from './traced-run.ts';

/**
 * The trace of a run is started -> (retried | waiting -> started)* -> succeeded | failed | cancelled, whoever executes it. Only its first
 * claim and the first claim after a pause start it; a take-over and a hand-over go on without a word.
 */
export function logStarted(run: Execution, previous: RunState): void {
  const { lostClaims } = run.claim;
  const isPauseOver = lostClaims === 0 && run.claim.state !== null && runStatus(previous).status !== 'running';
  run.isStartLogged = true;
  if (!isFirstStart(run.claim) && !isPauseOver) return;
  const queuedMs = isFirstStart(run.claim) ? queuedMsOf(run.claim) : null;
  workflowRunStarted(run.deps.log, { ...refOf(run.claim), attemptCount: run.attemptCount, queuedMs });
}

/** For a run that fails before the engine saw it, so that its trace begins like any other. */
export function logStillborn(log: Logger, claim: ClaimedRun): void {
  if (!isFirstStart(claim)) return;
  workflowRunStarted(log, { ...refOf(claim), attemptCount: claim.attemptCount, queuedMs: queuedMsOf(claim) });
}

/** Nobody began it before: a run that waited for a place was claimed then, but has no state yet and lost no owner. */
function isFirstStart({ leaseToken, state, lostClaims }: ClaimedRun): boolean {
  return leaseToken === 1 || (state === null && lostClaims === 0);
}

function queuedMsOf({ createdAt, startedAt }: ClaimedRun): number {
  return Math.max(0, startedAt.getTime() - createdAt.getTime());
}

/**
 * The run pauses: until the first of its retries is due, or for something else that it waits for. Retries and waits while
 * other steps run are not events of the run.
 */
export function logPaused(run: Execution): void {
  const { status, nextAttemptAt } = runStatus(run.state);
  const fields = { ...refOf(run.claim), attemptCount: run.attemptCount };
  const dueAt = nextAttemptAt === null ? null : new Date(nextAttemptAt).toISOString();
  if (status === 'waiting') workflowRunWaiting(run.deps.log, { ...fields, nextAttemptAt: dueAt });
  const stepId = firstRetryOf(run.state);
  if (status !== 'queued' || stepId === null || dueAt === null) return;
  const errorCode = run.errors.get(stepId)?.code ?? 'UNKNOWN';
  workflowRunRetried(run.deps.log, { ...fields, errorCode, nextAttemptAt: dueAt, stepId });
}

/** Of a run that only waits for retries. The run itself may be due earlier: when its time is over. */
function firstRetryOf(state: RunState): string | null {
  let first: { stepKey: string; dueAt: number } | null = null;
  for (const { stepKey, step } of listSteps(state)) {
    if (step.status !== 'waiting' || step.dueAt === null) continue;
    if (first === null || step.dueAt < first.dueAt) first = { stepKey, dueAt: step.dueAt };
  }
  return first?.stepKey ?? null;
}

/** `error` null: the run succeeded, or was cancelled. Durations are milliseconds by PostgreSQL's clock. */
export function logEnded(
  log: Logger,
  claim: TracedRun,
  end: { nowMs: number; attemptCount: number; error: { code: string } | null; isCancelled: boolean },
): void {
  const durationMs = Math.max(0, Math.round(end.nowMs - claim.startedAt.getTime()));
  const ageMs = Math.max(0, Math.round(end.nowMs - claim.createdAt.getTime()));
  const fields = { ...refOf(claim), attemptCount: end.attemptCount, durationMs, ageMs };
  if (end.isCancelled) {
    workflowRunCancelled(log, fields);
    noteOutcome(claim, 'cancelled');
  } else if (end.error === null) {
    workflowRunSucceeded(log, fields);
    noteOutcome(claim, 'succeeded');
  } else {
    workflowRunFailed(log, { ...fields, errorCode: end.error.code });
    noteOutcome(claim, 'failed');
  }
}

export function refOf({ orgId, workflowId, runId }: ClaimedRun): RunRef {
  return { orgId, workflowId, runId };
}
