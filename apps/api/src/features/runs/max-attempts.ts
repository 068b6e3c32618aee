import type { ApiConfig } from '@millrace/shared/config';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import { planWorkflow } from '@millrace/workflow/plan';

/** Keyed by workflow and version: a published version never changes, so an entry is never wrong, only forgotten. */
const known = new Map<string, number>();
const MAX_KNOWN = 1_000;

/** The highest number of attempts any node of a published version has. Planning parses every expression: once is enough. */
export function maxAttemptsOf(
  workflowId: string,
  version: number,
  definition: unknown,
  config: Pick<ApiConfig, 'WORKFLOW_RETRY_ATTEMPTS' | 'WORKFLOW_RETRY_BACKOFF_MS'>,
): number {
  const key = `${workflowId}:${version}:${config.WORKFLOW_RETRY_ATTEMPTS}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const { maxAttempts } = planWorkflow(definition as WorkflowDefinition, {
    maxAttempts: config.WORKFLOW_RETRY_ATTEMPTS,
    backoffMs: config.WORKFLOW_RETRY_BACKOFF_MS,
  });
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, maxAttempts);
  return maxAttempts;
}
