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

/** Accepts a run of the published version. */
export async function startRun(context: OrgContext, workflowId: string, input: unknown) {
  return acceptRun(context, workflowId, async (tx) => {
    const version = await findVersion(tx, workflowId);
    await assertInput(tx, workflowId, version, input);
    return insertQueuedRun(tx, {
      id: newId(),
      workflowId,
      version,
      triggerType: 'trigger.manual',
      input: input ?? null,
      maxAttempts: await maxAttemptsOf(tx, workflowId, version, context.deps.config),
      requestedByUserId: context.userId,
    });
  });
}

/**
 * Accepts the run that `insert` stores (R7): the row is committed first and a worker is woken after, outside any
 * transaction, so that a hanging queue never holds a database connection. When nobody could be woken the row is taken
 * back and the caller hears 503, unless a worker was faster, which makes it an accepted run after all. A crash in
 * between leaves a queued row that the sweeper finds.
 */
export async function acceptRun(context: OrgContext, workflowId: string, insert: (tx: OrgTx) => Promise<RunRow>) {
  const { deps, orgId, userId, requestId, log } = context;
  const answer = await withOrg(deps.db, orgId, async (tx) => {
    const stored = { run: toRun(await insert(tx)) };
    await keepAnswer(context, tx, stored);
    return stored;
  });
  const runId = answer.run.id;
  try {
    await deps.queue.wakeRun({ orgId, runId });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    queueUnavailable(log, { requestId, userId, orgId, workflowId, runId, error: reason });
    if (await takeBack(context, runId)) throw error;
  }
  workflowRunEnqueued(log, { requestId, userId, orgId, workflowId, runId });
  return answer;
}

/** The published version. Throws 404 without such a workflow and 409 while it is not to be run. */
export async function findVersion(tx: OrgTx, workflowId: string): Promise<number> {
  const [workflow] = await tx
    .select({ version: workflows.version, isEnabled: workflows.isEnabled })
    .from(workflows)
    .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId)));
  if (!workflow) throw new AppError('NOT_FOUND');
  if (workflow.version === 0) throw new AppError('CONFLICT', 'Publish the workflow before running it.');
  if (!workflow.isEnabled) throw new AppError('CONFLICT', 'This workflow is disabled; enable it before running it.');
  return workflow.version;
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
