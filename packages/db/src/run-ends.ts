import { and, eq, isNotNull } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { workflowRuns } from './schema/runs.ts';
import { withOrg } from './tenant.ts';

/**
 * Whether the run was ended by a record of this very claim. For an owner that lost its lease before it heard of its last
 * record: every later owner, and whoever cancels, raises the token.
 */
export async function wasEndedBy(
  db: Database,
  claim: { orgId: string; runId: string; leaseToken: number },
): Promise<boolean> {
  const { orgId, id, leaseToken, finishedAt } = workflowRuns;
  const rows = await withOrg(db, claim.orgId, (tx) =>
    tx
      .select({ id })
      .from(workflowRuns)
      .where(and(eq(orgId, tx.orgId), eq(id, claim.runId), eq(leaseToken, claim.leaseToken), isNotNull(finishedAt))),
  );
  return rows.length > 0;
}
