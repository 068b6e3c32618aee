import { forgetPendingAnswer, updatePendingAnswer } from '@millrace/db/idempotency';
import { workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { and, eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { keepAnswer } from '../../http/idempotency.ts';
import {
  auditBulk,
  type BulkPage,
  type BulkRequest,
  beforeFirst,
  countRuns,
  type RunRef,
  readBulkPage,
  walkPage,
} from './bulk.ts';
import { storeSurely } from './certainty.ts';
import { lockRun } from './queries.ts';
import { assertQueueRoom, storeRetry } from './retry.ts';
import { announceRun, tellQueueUnavailable } from './service.ts';

/** As many connections to the database as one call may hold. */
const PORTION = 4;

interface RetryRequest extends BulkRequest {
  latest?: boolean | undefined;
}

/**
 * Retries the failed and cancelled runs of a filter, each by the rules of `retryRun`, but for this: one that was retried
 * already is left out, so that sending this twice, or after an answer was lost, starts nothing twice. 503 without the
 * queue, and nothing is stored; when it is lost half-way the answer tells what was done by then.
 */
export async function retryRuns(context: OrgContext, request: RetryRequest) {
  if (request.dryRun) return countRuns(context, request, CAN_BE_RETRIED);
  await context.deps.queue.assertReady().catch((error: unknown) => {
    tellQueueUnavailable(context, { workflowId: null, runId: null }, error);
    throw error;
  });
  const page = await begin(context, request);
  try {
    const result = await walkPage(page, PORTION, (runs) =>
      Promise.all(runs.map((run) => retryOnce(context, run, request.latest ?? false))),
    );
    await withKey(context, (key) => updatePendingAnswer(context.deps.db, context.orgId, key, result));
    return result;
  } catch (error) {
    // The same key starts it again, and goes on at what was not retried yet.
    await withKey(context, (key) =>
      withOrg(context.deps.db, context.orgId, (tx) => forgetPendingAnswer(tx, key)).catch(() => {}),
    );
    throw error;
  }
}

/** Should this process die on its way, the key answers that nothing is known to be done and where to go on. */
function begin(context: OrgContext, request: RetryRequest): Promise<BulkPage> {
  const { filter, latest = false } = request;
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const page = await readBulkPage(tx, request, CAN_BE_RETRIED);
    await keepAnswer(context, tx, { matched: 0, done: 0, skipped: [], nextCursor: beforeFirst(page.runs) });
    await auditBulk(context, tx, 'run.bulk_retry', { filter, latest, matched: page.runs.length });
    return page;
  });
}

async function withKey({ idempotency }: OrgContext, fn: (key: string) => Promise<unknown>): Promise<void> {
  if (idempotency) await fn(idempotency.key);
}

/** Null once the retry is accepted, else why not. Throws what is no answer about this run. */
async function retryOnce(context: OrgContext, { id, workflowId }: RunRef, isLatest: boolean) {
  // The key is for the call as a whole: taking back one run does not forget it.
  const { idempotency: _, ...ofOneRun } = context;
  try {
    await assertQueueRoom(context);
    const newRunId = newId();
    const store = () =>
      withOrg(context.deps.db, context.orgId, async (tx) => {
        await refuseSecondRetry(tx, id);
        return storeRetry(ofOneRun, tx, { workflowId, runId: id, newRunId }, isLatest);
      });
    const run = await storeSurely(ofOneRun, { workflowId, runId: newRunId }, store);
    failPoint('bulk.retried-before-wake');
    await announceRun(ofOneRun, run);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

/** Two calls at once meet on the lock of the run that they would both retry. */
async function refuseSecondRetry(tx: OrgTx, runId: string): Promise<void> {
  const { orgId, id, retryOfRunId } = workflowRuns;
  await lockRun(tx, runId);
  const [retry] = await tx
    .select({ id })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(retryOfRunId, runId)))
    .limit(1);
  if (retry) throw new AppError('CONFLICT', 'This run was retried already.');
}

const CAN_BE_RETRIED = sql`${workflowRuns.status} IN ('failed', 'cancelled') AND NOT EXISTS (
  SELECT FROM app.workflow_runs retry
  WHERE retry.org_id = ${workflowRuns.orgId} AND retry.retry_of_run_id = ${workflowRuns.id})`;
