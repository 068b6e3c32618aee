import { deleteMostHookDeliveries, deleteMostRuns } from '@millrace/db/portions';
import { deleteSchedule } from '@millrace/db/schedules';
import { hookDeliveries } from '@millrace/db/schema/hooks';
import { workflowRuns } from '@millrace/db/schema/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, eq, inArray, isNotNull, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { isWorkflow, lockWorkflow } from './rows.ts';

/**
 * Deletes the workflow with its versions and ended runs. Throws 409 while one of its runs has not ended, or an accepted
 * request to its webhook waits for its run.
 *
 * Many runs and deliveries are deleted before it in portions (as with an organization). The first of them disables the workflow, so that
 * no run begins meanwhile, and leaves `workflow.delete_begin` in the audit log; a deletion that stops after it is finished
 * by asking again.
 */
export async function deleteWorkflow(context: OrgContext, workflowId: string) {
  const { deps, orgId } = context;
  const deletion = {
    guard: (tx: OrgTx) => lockWorkflow(tx, workflowId, 'update'), // new runs and deliveries refer to this row and wait
    begin: (tx: OrgTx) => begin(context, tx, workflowId),
  };
  await deleteMostRuns(deps.db, orgId, deletion, workflowId);
  await deleteMostHookDeliveries(deps.db, orgId, deletion, workflowId);
  return withOrg(deps.db, orgId, async (tx) => {
    const { name } = await lockWorkflow(tx, workflowId, 'update');
    await assertNoOpenRun(tx, workflowId);
    await tx.delete(workflows).where(isWorkflow(tx, workflowId));
    await auditChange(context, tx, 'workflow.delete', workflowId, { name });
    return { ok: true as const };
  });
}

async function begin(context: OrgContext, tx: OrgTx, workflowId: string): Promise<void> {
  await assertNoOpenRun(tx, workflowId);
  await tx.update(workflows).set({ isEnabled: false, updatedAt: sql`now()` }).where(isWorkflow(tx, workflowId));
  await deleteSchedule(tx, workflowId);
  await auditChange(context, tx, 'workflow.delete_begin', workflowId, {});
}

async function assertNoOpenRun(tx: OrgTx, workflowId: string): Promise<void> {
  const { id, orgId, status } = workflowRuns;
  const isOpen = inArray(status, ['queued', 'running', 'waiting']);
  const open = await tx
    .select({ id })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(workflowRuns.workflowId, workflowId), isOpen))
    .limit(1);
  const accepted = await tx
    .select({ id: hookDeliveries.id })
    .from(hookDeliveries)
    .where(
      and(
        eq(hookDeliveries.orgId, tx.orgId),
        eq(hookDeliveries.workflowId, workflowId),
        isNotNull(hookDeliveries.nextSweepAt),
      ),
    )
    .limit(1);
  if (open.length > 0 || accepted.length > 0)
    throw new AppError('CONFLICT', 'Runs of this workflow are under way; disable it and let them end first.');
}
