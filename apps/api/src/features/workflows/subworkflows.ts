import { workflows } from '@millrace/db/schema/workflows';
import type { OrgTx } from '@millrace/db/tenant';
import type { ErrorDetail } from '@millrace/shared/errors';
import { listSubworkflows } from '@millrace/workflow/subworkflows';
import { and, eq, inArray } from 'drizzle-orm';

/**
 * What is wrong with the workflows that a document calls: each is one of this organization, published, in that version. The
 * document may call its own workflow, which is published with it as `version`. All this may have changed when a run gets
 * there, so the worker asks again.
 */
export async function findSubworkflowProblems(
  tx: OrgTx,
  own: { workflowId: string; version: number },
  document: unknown,
): Promise<ErrorDetail[]> {
  const references = listSubworkflows(document);
  if (references.length === 0) return [];
  const ids = [...new Set(references.map(({ workflowId }) => workflowId))];
  const rows = await tx
    .select({ id: workflows.id, version: workflows.version })
    .from(workflows)
    .where(and(eq(workflows.orgId, tx.orgId), inArray(workflows.id, ids)));
  const versions = new Map([...rows.map(({ id, version }) => [id, version] as const), [own.workflowId, own.version]]);
  return references.flatMap(({ path, workflowId, version }): ErrorDetail[] => {
    const published = versions.get(workflowId);
    if (published === undefined)
      return [{ path: `${path}.workflowId`, code: 'UNKNOWN_WORKFLOW', message: 'There is no such workflow.' }];
    if (published === 0)
      return [{ path: `${path}.workflowId`, code: 'NOT_PUBLISHED', message: 'This workflow was never published.' }];
    const message = `This workflow has no version ${version}; its latest is ${published}.`;
    return version !== null && version > published
      ? [{ path: `${path}.version`, code: 'UNKNOWN_VERSION', message }]
      : [];
  });
}
