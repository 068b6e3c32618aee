import { deleteSchedule, readNextTicks, storeSchedule } from '@millrace/db/schedules';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import { planWorkflow } from '@millrace/workflow/plan';
import { scheduleOf } from '@millrace/workflow/triggers/cron';
import type { OrgContext } from '../../context.ts';
import { readWorkflow } from './rows.ts';

/** Makes the schedule agree with the workflow as it is now; part of every change of what is published or enabled. */
export async function keepSchedule(context: OrgContext, tx: OrgTx, workflowId: string): Promise<void> {
  const { version, isEnabled, publishedDsl } = await readWorkflow(context, tx, workflowId);
  const schedule = isEnabled ? scheduleOf(publishedDsl) : null;
  if (schedule === null) return deleteSchedule(tx, workflowId);
  const { maxAttempts } = planWorkflow(publishedDsl as WorkflowDefinition, {
    maxAttempts: context.deps.config.WORKFLOW_RETRY_ATTEMPTS,
    backoffMs: context.deps.config.WORKFLOW_RETRY_BACKOFF_MS,
  });
  await storeSchedule(tx, { workflowId, version, maxAttempts }, schedule);
}

/** When the published, enabled workflow fires next; an empty list when no schedule is at work. */
export async function listNextFires(context: OrgContext, workflowId: string, count = 5) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await readWorkflow(context, tx, workflowId); // 404 before an empty list
    const ticks = await readNextTicks(tx, workflowId, count);
    return { nextFires: ticks.map((tick) => tick.toISOString()) };
  });
}
