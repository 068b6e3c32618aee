import type { workflowRuns } from '@millrace/db/schema/runs';
import type { Run } from '@millrace/shared/contracts/runs';

export function toRun(row: typeof workflowRuns.$inferSelect): Run {
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
