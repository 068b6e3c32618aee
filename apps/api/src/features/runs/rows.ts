import type { StoredStep } from '@millrace/db/runs';
import type { workflowRuns } from '@millrace/db/schema/runs';
import type { Run, Step } from '@millrace/shared/contracts/runs';

type RunRow = Pick<
  typeof workflowRuns.$inferSelect,
  | 'id'
  | 'orgId'
  | 'workflowId'
  | 'version'
  | 'triggerType'
  | 'status'
  | 'attemptCount'
  | 'maxAttempts'
  | 'nextAttemptAt'
  | 'retryOfRunId'
  | 'requestedByUserId'
  | 'input'
  | 'output'
  | 'error'
  | 'createdAt'
  | 'startedAt'
  | 'finishedAt'
>;

export function toRun(row: RunRow): Run {
  return {
    id: row.id,
    organizationId: row.orgId,
    workflowId: row.workflowId,
    version: row.version,
    triggerType: row.triggerType,
    status: row.status,
    attemptCount: row.attemptCount,
    maxAttempts: row.maxAttempts,
    nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null,
    retryOfRunId: row.retryOfRunId,
    requestedByUserId: row.requestedByUserId,
    input: row.input ?? null,
    output: row.output ?? null,
    error: row.error ?? null,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

export function toStep(row: StoredStep): Step {
  return {
    stepId: row.stepKey,
    type: row.type,
    status: row.status,
    attempt: row.attempt,
    input: row.input ?? null,
    output: row.output ?? null,
    error: (row.error ?? null) as Step['error'],
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
