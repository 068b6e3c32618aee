import { workflowHooks } from '@millrace/db/schema/hooks';
import { workflowSchedules } from '@millrace/db/schema/schedules';
import { workflows, workflowVersions } from '@millrace/db/schema/workflows';
import type { OrgTx } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { AppError } from '@millrace/shared/errors';
import { upgradeDocument } from '@millrace/workflow/upgrade';
import { and, eq } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { hookUrl } from '../hooks/address.ts';

type Row = typeof workflows.$inferSelect;
type Document = Record<string, unknown>;
type Hook = Pick<typeof workflowHooks.$inferSelect, 'generation' | 'tokenHash'>;

/** Workflows with the document of their newest version, their address and their next tick, as a query to add conditions to. */
export function selectWorkflows(tx: OrgTx) {
  const { generation, tokenHash } = workflowHooks;
  return tx
    .select({
      workflow: workflows,
      publishedDefinition: workflowVersions.definition,
      hook: { generation, tokenHash },
      nextFireAt: workflowSchedules.nextFireAt,
    })
    .from(workflows)
    .leftJoin(
      workflowVersions,
      and(
        eq(workflowVersions.orgId, workflows.orgId),
        eq(workflowVersions.workflowId, workflows.id),
        eq(workflowVersions.version, workflows.version),
      ),
    )
    .leftJoin(workflowHooks, and(eq(workflowHooks.orgId, workflows.orgId), eq(workflowHooks.workflowId, workflows.id)))
    .leftJoin(
      workflowSchedules,
      and(eq(workflowSchedules.orgId, workflows.orgId), eq(workflowSchedules.workflowId, workflows.id)),
    )
    .$dynamic();
}

/** Throws 404 for an id that is not in this organization, whether or not it exists elsewhere. */
export async function readWorkflow(context: OrgContext, tx: OrgTx, workflowId: string): Promise<Workflow> {
  const [row] = await selectWorkflows(tx).where(isWorkflow(tx, workflowId));
  if (!row) throw new AppError('NOT_FOUND');
  return toWorkflow(context.deps.config, row);
}

/**
 * Locks the workflow's row until the transaction ends, so that saves and publishes of it take turns. New runs refer to
 * the row and go on meanwhile; only `update` makes them wait.
 */
export async function lockWorkflow(
  tx: OrgTx,
  workflowId: string,
  strength: 'no key update' | 'update' = 'no key update',
): Promise<Row> {
  const [row] = await tx.select().from(workflows).where(isWorkflow(tx, workflowId)).for(strength);
  if (!row) throw new AppError('NOT_FOUND');
  return row;
}

export function isWorkflow(tx: OrgTx, workflowId: string) {
  return and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId));
}

export function toWorkflow(
  config: ApiConfig,
  row: { workflow: Row; publishedDefinition: unknown; hook: Hook | null; nextFireAt: Date | null },
): Workflow {
  const { workflow, publishedDefinition, hook, nextFireAt } = row;
  const published = upgradeDocument(publishedDefinition ?? null) as Document | null;
  return {
    id: workflow.id,
    organizationId: workflow.orgId,
    name: workflow.name,
    status: workflow.status,
    isEnabled: workflow.isEnabled,
    version: workflow.version,
    revision: workflow.revision,
    dsl: upgradeDocument(workflow.draftDefinition) as Document,
    publishedDsl: published,
    hasUnpublishedChanges: workflow.publishedRevision !== workflow.revision,
    hookUrl: hook && hasWebhook(published) ? hookUrl(config, { workflowId: workflow.id, ...hook }) : null,
    nextFireAt: nextFireAt?.toISOString() ?? null,
    createdByUserId: workflow.createdByUserId,
    publishedAt: workflow.publishedAt?.toISOString() ?? null,
    createdAt: workflow.createdAt.toISOString(),
    updatedAt: workflow.updatedAt.toISOString(),
  };
}

function hasWebhook(published: Document | null): boolean {
  return (published?.trigger as { type?: unknown } | undefined)?.type === 'trigger.webhook';
}
