import { AppError } from '@millrace/shared/errors';
import { and, eq } from 'drizzle-orm';
import { type Database, queryHot } from './connect.ts';
import { workflowVersions } from './schema/workflows.ts';
import type { OrgTx } from './tenant.ts';
import { assertUuid } from './uuid.ts';

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

/** The document of a published version, null when it is gone. A version never changes: keep it. */
export async function loadDefinition(
  db: Database,
  { orgId, workflowId, version }: { orgId: string; workflowId: string; version: number },
): Promise<unknown> {
  assertUuid(orgId, 'orgId');
  assertUuid(workflowId, 'workflowId');
  const rows = await queryHot<{ definition: unknown }>(db, LOAD_DEFINITION, [orgId, workflowId, version]);
  return rows[0]?.definition ?? null;
}

const LOAD_DEFINITION = {
  name: 'load-version',
  text: 'SELECT app.load_version($1::uuid, $2::uuid, $3::integer) AS definition',
};
