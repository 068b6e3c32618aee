import { cancelRun as cancelInDatabase } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { workflowRunCancelled } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import type { OrgContext } from '../../context.ts';
import { findRun } from './queries.ts';
import { toRun } from './rows.ts';

/**
 * Ends a run as cancelled: here and now while nobody owns it, else by its owner, who is told at once and hears it from
 * the database within a second should Redis be away. A run that is cancelled already is answered as it is; one that ended
 * in another way is a conflict.
 */
export async function cancelRun(context: OrgContext, workflowId: string, runId: string) {
  const { deps, orgId, userId, log } = context;
  const { outcome, row } = await withOrg(deps.db, orgId, async (tx) => {
    await findRun(tx, workflowId, runId);
    const cancelled = await cancelInDatabase(tx, runId, { type: 'run.cancel_requested', by: userId });
    return { outcome: cancelled, row: await findRun(tx, workflowId, runId) };
  });
  failPoint('run.cancelled-before-ring');
  if (outcome === 'ended' && row.status !== 'cancelled') {
    throw new AppError(
      'CONFLICT',
      `This run has ${row.status} already; only a run that has not ended can be cancelled.`,
    );
  }
  if (outcome === 'cancelled') {
    const finishedAt = row.finishedAt?.getTime() ?? 0;
    const durationMs = finishedAt - (row.startedAt ?? row.createdAt).getTime();
    const ageMs = finishedAt - row.createdAt.getTime();
    workflowRunCancelled(log, { orgId, workflowId, runId, attemptCount: row.attemptCount, durationMs, ageMs });
  }
  // Without Redis the owner hears of it by its next heartbeat.
  if (outcome === 'signalled') await deps.queue.ringOwner(runId).catch(() => {});
  return { run: toRun(row) };
}
