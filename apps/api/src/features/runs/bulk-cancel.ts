import { cancelRuns as cancelInDatabase } from '@millrace/db/run-signals';
import { workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditBulk, type BulkRequest, countRuns, type RunRef, readBulkPage, walkPage } from './bulk.ts';
import { cancelEntry, refusalToCancel, tellCancel } from './cancel.ts';

/** Few enough that workers who want to record something wait some 20 ms at most. */
const PORTION = 50;
const HAS_NOT_ENDED = sql`${workflowRuns.finishedAt} IS NULL`;

/** Cancels the runs of a filter, each by the rules of `cancelRun`. One that ended meanwhile is skipped. */
export async function cancelRuns(context: OrgContext, request: BulkRequest) {
  if (request.dryRun) return countRuns(context, request, HAS_NOT_ENDED);
  const page = await withOrg(context.deps.db, context.orgId, async (tx) => {
    const found = await readBulkPage(tx, request, HAS_NOT_ENDED);
    await auditBulk(context, tx, 'run.bulk_cancel', { filter: request.filter, matched: found.runs.length });
    return found;
  });
  return walkPage(page, PORTION, (runs) => cancelPortion(context, runs));
}

async function cancelPortion(context: OrgContext, runs: RunRef[]): Promise<(AppError | null)[]> {
  const answers = await withOrg(context.deps.db, context.orgId, async (tx) => {
    const ids = [...runs].sort(inOrderOfLocks).map(({ id }) => id);
    const outcomes = await cancelInDatabase(tx, ids, cancelEntry(context.userId));
    const rows = new Map((await readRows(tx, ids)).map((row) => [row.id, row]));
    return new Map(ids.map((id, index) => [id, { outcome: outcomes[index] ?? 'gone', row: rows.get(id) }]));
  });
  failPoint('bulk.cancelled-before-ring');
  await Promise.all([...answers.values()].map(({ outcome, row }) => row && tellCancel(context, outcome, row)));
  return runs.map(({ id }) => {
    const { outcome, row } = answers.get(id) ?? { outcome: 'gone', row: undefined };
    return refusalToCancel(outcome, row?.status);
  });
}

/** Where a portion and a worker's records touch the same runs they wait for each other, but never in a circle. */
function inOrderOfLocks(a: RunRef, b: RunRef): number {
  return `${a.workflowId}${a.id}` < `${b.workflowId}${b.id}` ? -1 : 1;
}

function readRows(tx: OrgTx, ids: string[]) {
  const { orgId, id, workflowId, status, attemptCount, createdAt, startedAt, finishedAt } = workflowRuns;
  return tx
    .select({ id, workflowId, status, attemptCount, createdAt, startedAt, finishedAt })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), inArray(id, ids)));
}
