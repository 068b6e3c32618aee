import type { Database } from './connect.ts';

/**
 * Takes failures that are due to be told: at most one workflow of each organization, and none of the `busyOrgIds`. Each
 * stays its taker's for `leaseSec`; after that anybody may take it again. The caller reads the rows inside `withOrg`.
 */
export async function takeFailureNotices(
  db: Database,
  options: { limit: number; leaseSec: number; busyOrgIds: readonly string[] },
): Promise<{ orgId: string; workflowId: string }[]> {
  const { rows } = await db.pool.query<{ orgId: string; workflowId: string }>(
    'SELECT org_id AS "orgId", workflow_id AS "workflowId" FROM sys.take_failure_notices($1, $2, $3)',
    [options.limit, options.leaseSec, options.busyOrgIds],
  );
  return rows;
}
