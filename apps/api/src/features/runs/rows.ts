import { workflowRuns } from '@millrace/db/schema/runs';
import type { Run } from '@millrace/shared/contracts/runs';
import { getTableColumns, sql } from 'drizzle-orm';

const { state: _, lastRecordId: __, unsuccessfulStatus: ___, input, ...columns } = getTableColumns(workflowRuns);

/** What a list shows of a run: neither the engine's state nor a large input is read for it. */
export const listedColumns = {
  ...columns,
  input: sql<unknown>`CASE WHEN pg_column_size(${input}) > 65536 OR pg_column_compression(${input}) IS NOT NULL
    THEN app.show_value(${input}) ELSE ${input} END`,
};

export function toRun(
  row: Omit<typeof workflowRuns.$inferSelect, 'state' | 'lastRecordId' | 'unsuccessfulStatus'>,
): Run {
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
    output: row.outputBytes === null ? (row.output ?? null) : { $large: { sizeBytes: row.outputBytes } },
    error: row.error ?? null,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
