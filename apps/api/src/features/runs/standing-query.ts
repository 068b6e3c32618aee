import { workflowRunSteps, workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import type { RunState } from '@millrace/workflow/state';
import { and, asc, eq, notInArray, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { type StandingFacts, standingOf } from './standing.ts';

const MOST_STEPS = 20;

/** Why the run is where it is; null once it has ended. Throws 404 unless it belongs to this workflow of this organization. */
export async function getRunStanding(
  context: OrgContext,
  { workflowId, runId }: { workflowId: string; runId: string },
) {
  const { deps, orgId } = context;
  const stored = await withOrg(deps.db, orgId, async (tx) => {
    const row = await readRow(tx, workflowId, runId);
    return { ...row, openSteps: row.status === 'running' ? await readOpenSteps(tx, runId) : [] };
  });
  // Asked after the transaction: a hanging queue holds no connection.
  const workerCount = await deps.queue.countWorkers().catch(() => null);
  return { standing: standingOf({ ...stored, workerCount, sweepMs: deps.config.SWEEP_INTERVAL_MS }) };
}

async function readRow(
  tx: OrgTx,
  workflowId: string,
  runId: string,
): Promise<Omit<StandingFacts, 'workerCount' | 'sweepMs' | 'openSteps'>> {
  const { orgId, id, status, state, createdAt, nextAttemptAt, leaseUntil, signalsSent, signalsRead } = workflowRuns;
  const { heldBy, concurrencyLimit, concurrencyKey } = workflowRuns;
  const [row] = await tx
    .select({
      ...{ status, state, createdAt, nextAttemptAt, leaseUntil, heldBy, concurrencyLimit, concurrencyKey },
      hasUnread: sql<boolean>`${signalsSent} > ${signalsRead}`,
      nowMs: sql<string>`extract(epoch FROM now()) * 1000`,
    })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(workflowRuns.workflowId, workflowId), eq(id, runId)));
  if (!row) throw new AppError('NOT_FOUND');
  return {
    ...row,
    held: row.heldBy && { by: row.heldBy, limit: row.concurrencyLimit, key: row.concurrencyKey },
    state: row.state as RunState | null, // what a worker wrote
    nowMs: Number(row.nowMs),
    createdAt: row.createdAt.getTime(),
    nextAttemptAt: row.nextAttemptAt?.getTime() ?? null,
    leaseUntil: row.leaseUntil?.getTime() ?? null,
  };
}

/** A loop is open as long as its body is; what is at work in it says more. */
async function readOpenSteps(tx: OrgTx, run: string): Promise<StandingFacts['openSteps']> {
  const { orgId, runId, stepKey, type, status, startedAt, ordinal } = workflowRunSteps;
  const rows = await tx
    .select({ stepKey, startedAt })
    .from(workflowRunSteps)
    .where(
      and(
        ...[eq(orgId, tx.orgId), eq(runId, run), eq(status, 'running')],
        notInArray(type, ['foreach', 'repeat', 'iteration']),
      ),
    )
    .orderBy(asc(startedAt), asc(ordinal))
    .limit(MOST_STEPS);
  return rows.map((row) => ({ stepKey: row.stepKey, startedAt: row.startedAt?.getTime() ?? null }));
}
