import { forgetPendingAnswer } from '@millrace/db/idempotency';
import { discardQueuedRun, insertQueuedRun, type Run as RunRow } from '@millrace/db/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { queueUnavailable, workflowRunEnqueued } from '@millrace/shared/events';
import { newId } from '@millrace/shared/ids';
import { and, eq } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { keepAnswer } from '../../http/idempotency.ts';
import { assertInput } from './input.ts';
import { maxAttemptsOf } from './max-attempts.ts';
import { toRun } from './rows.ts';

/**
 * Accepts a run of the published version (R7): the row is committed first and a worker is woken after, outside any
 * transaction, so that a hanging queue never holds a database connection. When nobody could be woken the row is taken
 * back and the caller hears 503, unless a worker was faster, which makes it an accepted run after all. A crash in
 * between leaves a queued row that the sweeper finds.
 */
export async function startRun(context: OrgContext, workflowId: string, input: unknown) {
  const { deps, orgId, userId, requestId, log, traceparent } = context;
  const answer = await withOrg(deps.db, orgId, async (tx) => {
    const run = toRun(await insertRun(context, tx, workflowId, input));
    const stored = { run };
    await keepAnswer(context, tx, stored);
    return stored;
  });
  const runId = answer.run.id;
  try {
    await deps.queue.wakeRun({ orgId, runId, traceparent });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    queueUnavailable(log, { requestId, userId, orgId, workflowId, runId, error: reason });
    if (await takeBack(context, runId)) throw error;
  }
  workflowRunEnqueued(log, { requestId, userId, orgId, workflowId, runId });
  return answer;
}

async function insertRun(context: OrgContext, tx: OrgTx, workflowId: string, input: unknown): Promise<RunRow> {
  const [workflow] = await tx
    .select({ version: workflows.version, isEnabled: workflows.isEnabled })
    .from(workflows)
    .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId)));
  if (!workflow) throw new AppError('NOT_FOUND');
  if (workflow.version === 0) throw new AppError('CONFLICT', 'Publish the workflow before running it.');
  if (!workflow.isEnabled) throw new AppError('CONFLICT', 'This workflow is disabled; enable it before running it.');
  await assertInput(tx, workflowId, workflow.version, input);
  return insertQueuedRun(tx, {
    id: newId(),
    workflowId,
    version: workflow.version,
    triggerType: 'trigger.manual',
    input: input ?? null,
    maxAttempts: await maxAttemptsOf(tx, workflowId, workflow.version, context.deps.config),
    requestedByUserId: context.userId,
  });
}

/** Rolls a take-back back: a worker has the run, or its answer was already replayed to somebody. */
class AlreadyAccepted extends Error {}

/** Removes the fresh run together with the idempotency key that points to it. False: the run is accepted after all. */
async function takeBack(context: OrgContext, runId: string): Promise<boolean> {
  const { deps, orgId, idempotency } = context;
  try {
    await withOrg(deps.db, orgId, async (tx) => {
      if (idempotency && !(await forgetPendingAnswer(tx, idempotency.key))) throw new AlreadyAccepted();
      if (!(await discardQueuedRun(tx, runId))) throw new AlreadyAccepted();
    });
    return true;
  } catch (error) {
    if (error instanceof AlreadyAccepted) return false;
    throw error;
  }
}
