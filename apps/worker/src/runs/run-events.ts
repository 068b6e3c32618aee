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
 * The trace of a run is started -> (retried | waiting -> started)* -> succeeded | failed | cancelled, whoever executes it. What starts
 * it is the first record of all, or the first one after a pause, and not the claim: an owner that is lost before it recorded anything,
 * or never heard of its claim, left no trace that the next one could see. To be called after each record; the first call counts.
 */
export function logStarted(log: Logger, claim: TracedRun, attemptCount: number): void {
  const { startDue, createdAt, startedAt } = claim;
  if (startDue === null) return;
  claim.startDue = null;
  const queuedMs = startDue === 'first' ? Math.max(0, startedAt.getTime() - createdAt.getTime()) : null;
  workflowRunStarted(log, { ...refOf(claim), attemptCount, queuedMs });
}

/** What the first record of an owner does that found this state. */
export function startFrom(state: RunState): TracedRun['startDue'] {
  if (state.status === 'created') return 'first';
  return runStatus(state).status === 'running' ? null : 'afterPause';
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
  logStarted(log, claim, end.attemptCount);
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
