import { workflows, workflowVersions } from '@millrace/db/schema/workflows';
import { withOrg } from '@millrace/db/tenant';
import { readVersion, type WorkflowVersion } from '@millrace/db/workflow-versions';
import { DEFAULT_PAGE_SIZE } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { upgradeDocument } from '@millrace/workflow/upgrade';
import { validateDefinition } from '@millrace/workflow/validate';
import { and, desc, eq, lt, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { writeHook } from '../hooks/rows.ts';
import { isWorkflow, lockWorkflow, readWorkflow } from './rows.ts';
import { keepSchedule } from './schedule.ts';
import { findSubworkflowProblems } from './subworkflows.ts';

/** Checks the draft and freezes it as the next version. Throws 422 with every problem and its path. */
export async function publishWorkflow(context: OrgContext, workflowId: string, note: string | undefined) {
  const answer = await withOrg(context.deps.db, context.orgId, async (tx) => {
    const draft = await lockWorkflow(tx, workflowId);
    const definition = upgradeDocument(draft.draftDefinition);
    const checked = validateDefinition(definition);
    if (!checked.ok) throw new AppError('WORKFLOW_INVALID', undefined, { details: checked.problems });
    const version = draft.version + 1;
    const problems = await findSubworkflowProblems(tx, { workflowId, version }, checked.definition);
    if (problems.length > 0) throw new AppError('WORKFLOW_INVALID', undefined, { details: problems });
    await tx.insert(workflowVersions).values({
      orgId: tx.orgId,
      workflowId,
      version,
      definition,
      note: note ?? null,
      publishedByUserId: context.userId,
    });
    await tx
      .update(workflows)
      .set({
        version,
        status: 'published',
        publishedRevision: draft.revision,
        publishedAt: sql`now()`,
        updatedAt: sql`now()`,
      })
      .where(isWorkflow(tx, workflowId));
    if (checked.definition.trigger.type === 'trigger.webhook') await writeHook(context, tx, workflowId);
    await keepSchedule(context, tx, workflowId);
    await auditChange(context, tx, 'workflow.publish', workflowId, { version });
    return { workflow: await readWorkflow(context, tx, workflowId) };
  });
  if (answer.workflow.nextFireAt !== null) context.deps.scheduler.poke();
  return answer;
}

export async function listVersions(
  context: OrgContext,
  workflowId: string,
  query: { limit?: number | undefined; cursor?: string | undefined },
) {
  const limit = query.limit ?? DEFAULT_PAGE_SIZE;
  const before = query.cursor === undefined ? undefined : readVersionCursor(query.cursor);
  const rows = await withOrg(context.deps.db, context.orgId, async (tx) => {
    await readWorkflow(context, tx, workflowId); // 404 before an empty list
    return tx
      .select()
      .from(workflowVersions)
      .where(
        and(
          eq(workflowVersions.orgId, tx.orgId),
          eq(workflowVersions.workflowId, workflowId),
          before === undefined ? undefined : lt(workflowVersions.version, before),
        ),
      )
      .orderBy(desc(workflowVersions.version))
      .limit(limit + 1);
  });
  const page = rows.slice(0, limit);
  const nextCursor = rows.length > limit ? String(page.at(-1)?.version) : null;
  return { versions: page.map(toVersion), nextCursor };
}

export async function getVersion(context: OrgContext, workflowId: string, version: number) {
  const row = await withOrg(context.deps.db, context.orgId, (tx) => readVersion(tx, workflowId, version));
  return { version: { ...toVersion(row), dsl: upgradeDocument(row.definition) as Record<string, unknown> } };
}

/** Makes a published version the draft again, as a new revision: nothing of the history is lost. */
export async function restoreVersion(context: OrgContext, workflowId: string, version: number) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const { revision } = await lockWorkflow(tx, workflowId);
    const { definition } = await readVersion(tx, workflowId, version);
    await tx
      .update(workflows)
      .set({ draftDefinition: definition, revision: revision + 1, updatedAt: sql`now()` })
      .where(isWorkflow(tx, workflowId));
    await auditChange(context, tx, 'workflow.restore', workflowId, { version });
    return { workflow: await readWorkflow(context, tx, workflowId) };
  });
}

function toVersion(row: WorkflowVersion) {
  return {
    version: row.version,
    note: row.note,
    createdByUserId: row.publishedByUserId,
    createdAt: row.createdAt.toISOString(),
  };
}

function readVersionCursor(cursor: string): number {
  if (/^[1-9]\d{0,8}$/.test(cursor)) return Number(cursor);
  const message = 'must be a nextCursor of an earlier page';
  throw new AppError('BAD_REQUEST', undefined, { details: [{ path: 'querystring.cursor', code: 'CURSOR', message }] });
}
