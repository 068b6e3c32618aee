import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { and, desc, eq, ilike, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { keepAnswer } from '../../http/idempotency.ts';
import { readPage, splitPage } from '../../http/page.ts';
import { escapeLike } from '../../http/search-text.ts';
import { auditChange } from '../audit/service.ts';
import { isWorkflow, lockWorkflow, readWorkflow, selectWorkflows, toWorkflow } from './rows.ts';
import { keepSchedule } from './schedule.ts';

type Draft = Record<string, unknown>;

/** Stores a draft; it may be incomplete, since only publishing demands a valid document. */
export async function createWorkflow(context: OrgContext, body: { name: string; dsl: Draft }) {
  const { deps, orgId } = context;
  return withOrg(deps.db, orgId, async (tx) => {
    const workflow = await insertDraft(context, tx, body);
    const answer = { workflow };
    await keepAnswer(context, tx, answer);
    return answer;
  });
}

export async function listWorkflows(
  context: OrgContext,
  query: {
    limit?: number | undefined;
    cursor?: string | undefined;
    search?: string | undefined;
    status?: 'draft' | 'published' | undefined;
  },
) {
  const { limit, after } = readPage(query);
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    selectWorkflows(tx)
      .where(
        and(
          eq(workflows.orgId, tx.orgId),
          query.status && eq(workflows.status, query.status),
          query.search ? ilike(workflows.name, `%${escapeLike(query.search)}%`) : undefined,
          after && sql`(${workflows.createdAt}, ${workflows.id}) < (${after.createdAt.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(desc(workflows.createdAt), desc(workflows.id))
      .limit(limit + 1),
  );
  const positions = rows.map((row) => ({ ...row, createdAt: row.workflow.createdAt, id: row.workflow.id }));
  const { page, nextCursor } = splitPage(positions, limit);
  return { workflows: page.map((row) => toWorkflow(context.deps.config, row)), nextCursor };
}

export async function getWorkflow(context: OrgContext, workflowId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => ({
    workflow: await readWorkflow(context, tx, workflowId),
  }));
}

/** Saves name, draft or both. Throws 409 unless `revision` is the newest: somebody else saved in between. */
export async function updateWorkflow(
  context: OrgContext,
  workflowId: string,
  body: { name?: string | undefined; dsl?: Draft | undefined; revision: number },
) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const current = await lockWorkflow(tx, workflowId);
    if (current.revision !== body.revision)
      throw new AppError(
        'CONFLICT',
        `This workflow was saved meanwhile (revision ${current.revision}); load it again.`,
      );
    const revision = current.revision + 1;
    // A new name is no change of the document, so a published draft stays "without unpublished changes".
    const isStillPublished = body.dsl === undefined && current.publishedRevision === current.revision;
    await tx
      .update(workflows)
      .set({
        name: body.name ?? current.name,
        ...(body.dsl && { draftDefinition: body.dsl }),
        revision,
        ...(isStillPublished && { publishedRevision: revision }),
        updatedAt: sql`now()`,
      })
      .where(isWorkflow(tx, workflowId));
    await auditChange(context, tx, 'workflow.update', workflowId, { revision });
    return { workflow: await readWorkflow(context, tx, workflowId) };
  });
}

/** A disabled workflow accepts no new runs; those under way go on. Its schedule stops, and starts anew from now. */
export async function setWorkflowEnabled(context: OrgContext, workflowId: string, isEnabled: boolean) {
  const answer = await withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockWorkflow(tx, workflowId);
    await tx.update(workflows).set({ isEnabled, updatedAt: sql`now()` }).where(isWorkflow(tx, workflowId));
    await keepSchedule(context, tx, workflowId);
    await auditChange(context, tx, isEnabled ? 'workflow.enable' : 'workflow.disable', workflowId, {});
    return { workflow: await readWorkflow(context, tx, workflowId) };
  });
  if (answer.workflow.nextFireAt !== null) context.deps.scheduler.poke();
  return answer;
}

export async function duplicateWorkflow(context: OrgContext, workflowId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const source = await readWorkflow(context, tx, workflowId);
    const name = `${source.name.slice(0, 113)} (copy)`; // within the 120 characters of a name
    const answer = { workflow: await insertDraft(context, tx, { name, dsl: source.dsl, duplicateOf: workflowId }) };
    await keepAnswer(context, tx, answer);
    return answer;
  });
}

async function insertDraft(context: OrgContext, tx: OrgTx, draft: { name: string; dsl: Draft; duplicateOf?: string }) {
  const id = newId();
  const { dsl, ...told } = draft;
  await tx
    .insert(workflows)
    .values({ orgId: tx.orgId, id, name: draft.name, draftDefinition: dsl, createdByUserId: context.userId });
  await auditChange(context, tx, 'workflow.create', id, told);
  return readWorkflow(context, tx, id);
}
