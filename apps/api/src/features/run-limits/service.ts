import { orgRunLimits } from '@millrace/db/schema/run-limits';
import { workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { and, eq, isNotNull, isNull, type SQL } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';

/** The limits that an operator gave the organization, or else the defaults, and what they count. */
export async function readRunLimits({ deps, orgId }: OrgContext) {
  return withOrg(deps.db, orgId, async (tx) => {
    const [own] = await tx.select().from(orgRunLimits).where(eq(orgRunLimits.orgId, tx.orgId));
    const { isActive, status, heldBy } = workflowRuns;
    const isQueued = and(isActive, eq(status, 'queued'));
    return {
      limits: {
        maxConcurrentRuns: own?.maxConcurrentRuns ?? null,
        maxQueuedRuns: own?.maxQueuedRuns ?? deps.config.ORG_MAX_QUEUED_RUNS,
        weight: own?.weight ?? 1,
      },
      running: await count(tx, and(isActive, isNull(heldBy), eq(status, 'running'))),
      queued: await count(tx, isQueued),
      held: await count(tx, and(isActive, isNotNull(heldBy))),
    };
  });
}

function count(tx: OrgTx, condition: SQL | undefined): Promise<number> {
  return tx.$count(workflowRuns, and(eq(workflowRuns.orgId, tx.orgId), condition));
}
