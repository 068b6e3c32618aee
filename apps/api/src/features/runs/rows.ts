import { workflowRuns } from '@millrace/db/schema/runs';
import type { Run } from '@millrace/shared/contracts/runs';
import { getTableColumns, sql } from 'drizzle-orm';

const {
  state: _,
  lastRecordId: __,
  unsuccessfulStatus: ___,
  isActive: ____,
  input,
  ...columns
} = getTableColumns(workflowRuns);

/** What a list shows of a run: neither the engine's state nor a large input is read for it. */
export const listedColumns = {
  ...columns,
  input: sql<unknown>`CASE WHEN pg_column_size(${input}) > 65536 OR pg_column_compression(${input}) IS NOT NULL
    THEN app.show_value(${input}) ELSE ${input} END`,
};

type RunRow = Pick<typeof workflowRuns.$inferSelect, keyof typeof listedColumns>;

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
    parentRunId: row.parentRunId,
    requestedByUserId: row.requestedByUserId,
    input: row.input ?? null,
    output: row.outputBytes === null ? (row.output ?? null) : { $large: { sizeBytes: row.outputBytes } },
    error: row.error ?? null,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

export interface StoredRun {
  run: Run;
  /** Waits for its turn behind other runs of its organization. */
  isHeld: boolean;
}

export function toStoredRun(row: RunRow): StoredRun {
  return { run: toRun(row), isHeld: row.heldBy !== null };
}
