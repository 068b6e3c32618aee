import { AppError } from '@millrace/shared/errors';
import { and, eq } from 'drizzle-orm';
import { workflowVersions } from './schema/workflows.ts';
import type { OrgTx } from './tenant.ts';

export type WorkflowVersion = typeof workflowVersions.$inferSelect;

/** A published version with its document. Throws 404 when there is none, or none any more. */
export async function readVersion(tx: OrgTx, workflowId: string, version: number): Promise<WorkflowVersion> {
  const [row] = await tx
    .select()
    .from(workflowVersions)
    .where(
      and(
        eq(workflowVersions.orgId, tx.orgId),
        eq(workflowVersions.workflowId, workflowId),
        eq(workflowVersions.version, version),
      ),
    );
  if (!row) throw new AppError('NOT_FOUND');
  return row;
}
