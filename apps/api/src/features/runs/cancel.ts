import { type CancelOutcome, cancelRun as cancelInDatabase } from '@millrace/db/run-signals';
import type { Run } from '@millrace/db/runs';
import type { RunStatus } from '@millrace/db/schema/runs';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { workflowRunCancelled } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import type { OrgContext } from '../../context.ts';
import { settleFamily } from './family.ts';
import { findRun } from './queries.ts';
import { toRun } from './rows.ts';

/**
 * Ends a run as cancelled: here and now while nobody owns it, else by its owner, who is told at once and hears it from
 * the database within a second should Redis be away. A run that is cancelled already is answered as it is; one that ended
 * in another way is a conflict.
 */
export async function cancelRun(context: OrgContext, workflowId: string, runId: string) {
  const { deps, orgId, userId } = context;
  const { outcome, row } = await withOrg(deps.db, orgId, async (tx) => {
    await findRun(tx, workflowId, runId);
    const cancelled = await cancelInDatabase(tx, runId, cancelEntry(userId));
    return { outcome: cancelled, row: await findRun(tx, workflowId, runId) };
  });
  failPoint('run.cancelled-before-ring');
  const problem = refusalToCancel(outcome, row.status);
  if (problem) throw problem;
  await tellCancel(context, outcome, row);
  return { run: toRun(row) };
}

/** What the run's timeline says. */
export function cancelEntry(userId: string): object {
  return { type: 'run.cancel_requested', by: userId };
}

/** Null when the run is cancelled, or will be. */
export function refusalToCancel(outcome: CancelOutcome, status: RunStatus | undefined): AppError | null {
  if (outcome === 'gone') return new AppError('NOT_FOUND');
  if (outcome !== 'ended' || status === 'cancelled') return null;
  return new AppError('CONFLICT', `This run has ${status} already; only a run that has not ended can be cancelled.`);
}

type CancelledRow = Pick<Run, 'id' | 'workflowId' | 'attemptCount' | 'createdAt' | 'startedAt' | 'finishedAt'>;

/** After the commit: the end of a run stands in the log, and the owner of one that has not ended yet is told. */
export async function tellCancel({ deps, orgId, log }: OrgContext, outcome: CancelOutcome, row: CancelledRow) {
  const { id: runId, workflowId, attemptCount } = row;
  if (outcome === 'cancelled') {
    const finishedAt = row.finishedAt?.getTime() ?? 0;
    const durationMs = finishedAt - (row.startedAt ?? row.createdAt).getTime();
    const ageMs = finishedAt - row.createdAt.getTime();
    workflowRunCancelled(log, { orgId, workflowId, runId, attemptCount, durationMs, ageMs });
  }
  // The runs that it waited for go with it.
  if (outcome === 'cancelled') await settleFamily(deps, { orgId, runId });
  // Without Redis the owner hears of it by its next heartbeat.
  if (outcome === 'signalled') await deps.queue.ringOwner(runId).catch(() => {});
}
