import { workflowSchedules } from '@millrace/db/schema/schedules';
import { workflows, workflowVersions } from '@millrace/db/schema/workflows';
import type { OrgTx } from '@millrace/db/tenant';
import type { Workflow } from '@millrace/shared/contracts/workflows';
import { AppError } from '@millrace/shared/errors';
import { and, eq } from 'drizzle-orm';

type Row = typeof workflows.$inferSelect;
type Document = Record<string, unknown>;

/** Workflows with the document of their newest version and their next tick, as a query to add conditions to. */
export function selectWorkflows(tx: OrgTx) {
  return tx

    .select({
      workflow: workflows,
      publishedDefinition: workflowVersions.definition,
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
    .leftJoin(
      workflowSchedules,
      and(eq(workflowSchedules.orgId, workflows.orgId), eq(workflowSchedules.workflowId, workflows.id)),
    )
    .$dynamic();
}

/** Throws 404 for an id that is not in this organization, whether or not it exists elsewhere. */
export async function readWorkflow(tx: OrgTx, workflowId: string): Promise<Workflow> {
  const [row] = await selectWorkflows(tx).where(isWorkflow(tx, workflowId));
  if (!row) throw new AppError('NOT_FOUND');
  return toWorkflow(row);
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

export function toWorkflow(row: { workflow: Row; publishedDefinition: unknown; nextFireAt: Date | null }): Workflow {
  const { workflow, publishedDefinition, nextFireAt } = row;
  return {
    id: workflow.id,
    organizationId: workflow.orgId,
    name: workflow.name,
    status: workflow.status,
    isEnabled: workflow.isEnabled,
    version: workflow.version,
    revision: workflow.revision,
    dsl: workflow.draftDefinition as Document,
    publishedDsl: (publishedDefinition ?? null) as Document | null,
    hasUnpublishedChanges: workflow.publishedRevision !== workflow.revision,
    hookUrl: null,
    nextFireAt: nextFireAt?.toISOString() ?? null,
    createdByUserId: workflow.createdByUserId,
    publishedAt: workflow.publishedAt?.toISOString() ?? null,
    createdAt: workflow.createdAt.toISOString(),
    updatedAt: workflow.updatedAt.toISOString(),
  };
}
