import { authorize } from '@millrace/db/lookups';
import { authorizeAndReadRun, readRun } from '@millrace/db/run-reads';
import { workflowRuns } from '@millrace/db/schema/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { getRun as getRunContract, type RunFilter, type RunStatus } from '@millrace/shared/contracts/runs';
import { AppError } from '@millrace/shared/errors';
import { Id } from '@millrace/shared/ids';
import { and, desc, eq, gte, ilike, inArray, isNull, lt, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import type { AuthorizePerson } from '../../http/authenticate.ts';
import { type Position, readPage, splitPage } from '../../http/page.ts';
import { escapeLike } from '../../http/search-text.ts';
import { listedColumns, toRun } from './rows.ts';

export interface RunListQuery extends RunFilter {
  limit?: number | undefined;
  cursor?: string | undefined;
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

/** Until the transaction ends nobody else changes the run or says anything to it. */
export async function lockRun(tx: OrgTx, runId: string): Promise<void> {
  const { orgId, id } = workflowRuns;
  await tx
    .select({ id })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(id, runId)))
    .for('no key update');
}

/** Newest first, one keyset page. */
export async function listRuns(context: OrgContext, query: RunListQuery) {
  const { limit, after } = readPage(query);
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select({ ...listedColumns, workflowName: workflows.name })
      .from(workflowRuns)
      .innerJoin(workflows, and(eq(workflows.orgId, workflowRuns.orgId), eq(workflows.id, workflowRuns.workflowId)))
      .where(runsOf(tx, query, after))
      .orderBy(desc(workflowRuns.createdAt), desc(workflowRuns.id))
      .limit(limit + 1),
  );
  const { page, nextCursor } = splitPage(rows, limit);
  return { runs: page.map(({ workflowName, ...row }) => ({ ...toRun(row), workflowName })), nextCursor };
}

/** The runs of one workflow. Throws 404 for a workflow that is not there, rather than answer an empty list. */
export async function listWorkflowRuns(context: OrgContext, workflowId: string, query: RunListQuery) {
  const [workflow] = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select({ id: workflows.id })
      .from(workflows)
      .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId))),
  );
  if (!workflow) throw new AppError('NOT_FOUND');
  // A filter narrows what the path names.
  if (query.workflowId !== undefined && query.workflowId !== workflowId) return { runs: [], nextCursor: null };
  return listRuns(context, { ...query, workflowId });
}

/** The runs of the filter that come after a place, newest first. */
export function runsOf(tx: OrgTx, filter: RunFilter, after: Position | undefined) {
  const { orgId, id, workflowId, createdAt } = workflowRuns;
  return and(
    eq(orgId, tx.orgId),
    filter.workflowId ? eq(workflowId, filter.workflowId) : undefined,
    filter.status && hasStatus(filter.status),
    filter.from ? gte(createdAt, new Date(filter.from)) : undefined,
    filter.to ? lt(createdAt, new Date(filter.to)) : undefined,
    filter.search ? matches(tx, filter.search) : undefined,
    after && sql`(${createdAt}, ${id}) < (${after.createdAt.toISOString()}, ${after.id})`,
  );
}

/** With the condition of the index that finds the few with this status among all that succeeded. */
function hasStatus(asked: RunStatus) {
  const { status, unsuccessfulStatus, finishedAt } = workflowRuns;
  if (asked === 'failed' || asked === 'cancelled') return eq(unsuccessfulStatus, asked);
  return asked === 'succeeded' ? eq(status, asked) : and(eq(status, asked), isNull(finishedAt));
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
