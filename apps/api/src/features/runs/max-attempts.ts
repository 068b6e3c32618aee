import { workflowVersions } from '@millrace/db/schema/workflows';
import type { OrgTx } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import { AppError } from '@millrace/shared/errors';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import { type Plan, planWorkflow } from '@millrace/workflow/plan';
import { and, eq } from 'drizzle-orm';

type RetrySettings = Pick<ApiConfig, 'WORKFLOW_RETRY_ATTEMPTS' | 'WORKFLOW_RETRY_BACKOFF_MS'>;

/** Keyed by workflow and version: a published version never changes, so an entry is never wrong, only forgotten. */
const known = new Map<string, number>();
const MAX_KNOWN = 1_000;

/**
 * The highest number of attempts any node of a published version has. A document can be a megabyte and planning parses
 * every expression in it, so both happen once per version and not for every run.
 */
export async function maxAttemptsOf(
  tx: OrgTx,
  workflowId: string,
  version: number,
  config: RetrySettings,
): Promise<number> {
  const key = `${workflowId}:${version}:${config.WORKFLOW_RETRY_ATTEMPTS}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const { maxAttempts } = await readPlan(tx, workflowId, version, config);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, maxAttempts);
  return maxAttempts;
}

/** A published version, prepared for the engine. Costs up to tens of milliseconds for a large document. */
export async function readPlan(tx: OrgTx, workflowId: string, version: number, config: RetrySettings): Promise<Plan> {
  return planOf(await readDefinition(tx, workflowId, version), config);
}

export function planOf(definition: WorkflowDefinition, config: RetrySettings): Plan {
  return planWorkflow(definition, {
    maxAttempts: config.WORKFLOW_RETRY_ATTEMPTS,
    backoffMs: config.WORKFLOW_RETRY_BACKOFF_MS,
  });
}

export async function readDefinition(tx: OrgTx, workflowId: string, version: number): Promise<WorkflowDefinition> {
  const [row] = await tx
    .select({ definition: workflowVersions.definition })
    .from(workflowVersions)
    .where(
      and(
        eq(workflowVersions.orgId, tx.orgId),
        eq(workflowVersions.workflowId, workflowId),
        eq(workflowVersions.version, version),
      ),
    );
  if (!row) throw new AppError('NOT_FOUND'); // the workflow was deleted since its row was read
  return row.definition as WorkflowDefinition; // it was checked when it was published
}
