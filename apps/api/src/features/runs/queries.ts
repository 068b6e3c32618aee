import { authorize } from '@millrace/db/lookups';
import { authorizeAndReadRun, readRun } from '@millrace/db/run-reads';
import { workflowRuns } from '@millrace/db/schema/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { getRun as getRunContract, type RunStatus } from '@millrace/shared/contracts/runs';
import { AppError } from '@millrace/shared/errors';
import { Id } from '@millrace/shared/ids';
import { and, desc, eq, gte, ilike, inArray, lt, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import type { AuthorizePerson } from '../../http/authenticate.ts';
import { readPage, splitPage } from '../../http/page.ts';
import { escapeLike } from '../../http/search-text.ts';
import { listedColumns, toRun } from './rows.ts';

export interface RunFilters {
  limit?: number | undefined;
  cursor?: string | undefined;
  status?: RunStatus | undefined;
  workflowId?: string | undefined;
  /** Created at or after. */
  from?: string | undefined;
  /** Created before. */
  to?: string | undefined;
  search?: string | undefined;
}

/**
 * `authorize` for reading one run, the read that clients repeat while they wait: the run comes along in the same round
 * trip. Nothing of it is used before every check has passed; parameters that validation will refuse are only authorized.
 */
export const authorizeAndReadRunOfPath: AuthorizePerson = async (db, who, params) => {
  const address = getRunContract.params.safeParse(params);
  if (!address.success) return authorize(db, who);
  const { run, ...authorization } = await authorizeAndReadRun(db, who, address.data);
  return { ...authorization, runOfPath: run };
};

/** The run and its steps so far. Throws 404 unless the run belongs to this workflow of this organization. */
export async function getRun(context: OrgContext, workflowId: string, runId: string) {
  const { deps, orgId, runOfPath } = context;
  const found = runOfPath === undefined ? await readRun(deps.db, { orgId, workflowId, runId }) : runOfPath;
  if (!found) throw new AppError('NOT_FOUND');
  return found;
}

/** The row of a run. Throws 404 unless it belongs to this workflow of this organization. */
export async function findRun(tx: OrgTx, workflowId: string, runId: string) {
  const [run] = await tx
    .select()
    .from(workflowRuns)
    .where(and(eq(workflowRuns.orgId, tx.orgId), eq(workflowRuns.workflowId, workflowId), eq(workflowRuns.id, runId)));
  if (!run) throw new AppError('NOT_FOUND');
  return run;
}

/** Newest first, one keyset page. */
export async function listRuns(context: OrgContext, filters: RunFilters) {
  const { limit, after } = readPage(filters);
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select(listedColumns)
      .from(workflowRuns)
      .where(
        and(
          eq(workflowRuns.orgId, tx.orgId),
          filters.workflowId ? eq(workflowRuns.workflowId, filters.workflowId) : undefined,
          filters.status && eq(workflowRuns.status, filters.status),
          filters.from ? gte(workflowRuns.createdAt, new Date(filters.from)) : undefined,
          filters.to ? lt(workflowRuns.createdAt, new Date(filters.to)) : undefined,
          filters.search ? matches(tx, filters.search) : undefined,
          after &&
            sql`(${workflowRuns.createdAt}, ${workflowRuns.id}) < (${after.createdAt.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(desc(workflowRuns.createdAt), desc(workflowRuns.id))
      .limit(limit + 1),
  );
  const { page, nextCursor } = splitPage(rows, limit);
  return { runs: page.map(toRun), nextCursor };
}

/** The runs of one workflow. Throws 404 for a workflow that is not there, rather than answer an empty list. */
export async function listWorkflowRuns(context: OrgContext, workflowId: string, filters: RunFilters) {
  const [workflow] = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select({ id: workflows.id })
      .from(workflows)
      .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId))),
  );
  if (!workflow) throw new AppError('NOT_FOUND');
  return listRuns(context, { ...filters, workflowId });
}

/** The id of a run, else part of a workflow's name. */
function matches(tx: OrgTx, search: string) {
  const id = Id.safeParse(search.trim());
  if (id.success) return eq(workflowRuns.id, id.data);
  const named = tx
    .select({ id: workflows.id })
    .from(workflows)
    .where(and(eq(workflows.orgId, tx.orgId), ilike(workflows.name, `%${escapeLike(search)}%`)));
  return inArray(workflowRuns.workflowId, named);
}
