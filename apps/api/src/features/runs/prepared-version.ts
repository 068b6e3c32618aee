import type { OrgTx } from '@millrace/db/tenant';
import { readVersion } from '@millrace/db/workflow-versions';
import type { ApiConfig } from '@millrace/shared/config';
import type { WorkflowDefinition } from '@millrace/workflow/definition';
import { type Plan, planWorkflow } from '@millrace/workflow/plan';
import { type InputCheck, inputCheckOf } from '@millrace/workflow/triggers/input-schema';
import { upgradeDocument } from '@millrace/workflow/upgrade';

type RetrySettings = Pick<ApiConfig, 'WORKFLOW_RETRY_ATTEMPTS' | 'WORKFLOW_RETRY_BACKOFF_MS'>;

/** What accepting a run of a published version takes from its document. */
export interface PreparedVersion {
  version: number;
  /** The highest number of attempts that any of its nodes has. */
  maxAttempts: number;
  check: InputCheck | null;
}

/** By organization, workflow and version: a published version never changes, so an entry is never wrong, only forgotten. */
const known = new Map<string, PreparedVersion>();
/** By organization and workflow, the version that was asked for last. */
const lastVersions = new Map<string, number>();
const MAX_KNOWN = 1_000;

/**
 * A document can be a megabyte and planning parses every expression in it, so both happen once for each version and not for
 * every run. Throws 404 when there is no such version any more.
 */
export async function prepareVersion(
  tx: OrgTx,
  workflowId: string,
  version: number,
  config: RetrySettings,
): Promise<PreparedVersion> {
  const key = keyOf(tx.orgId, workflowId, version, config);
  const prepared = known.get(key) ?? prepare(await readDefinition(tx, workflowId, version), version, config);
  if (known.size >= MAX_KNOWN) {
    known.clear();
    lastVersions.clear();
  }
  known.set(key, prepared);
  return prepared;
}

/** The version that is taken for the latest from now on: a guess, which accepting a run confirms or corrects. */
export function rememberLatest(orgId: string, workflowId: string, version: number): void {
  lastVersions.set(`${orgId}:${workflowId}`, version);
}

/** Undefined while this process has accepted no run of the workflow. */
export function lastVersionOf(orgId: string, workflowId: string, config: RetrySettings): PreparedVersion | undefined {
  const version = lastVersions.get(`${orgId}:${workflowId}`);
  return version === undefined ? undefined : known.get(keyOf(orgId, workflowId, version, config));
}

/** A published version, planned for the engine. Costs up to tens of milliseconds for a large document. */
export async function readPlan(tx: OrgTx, workflowId: string, version: number, config: RetrySettings): Promise<Plan> {
  return planOf(await readDefinition(tx, workflowId, version), config);
}

function keyOf(orgId: string, workflowId: string, version: number, config: RetrySettings): string {
  return `${orgId}:${workflowId}:${version}:${config.WORKFLOW_RETRY_ATTEMPTS}`;
}

function prepare(definition: WorkflowDefinition, version: number, config: RetrySettings): PreparedVersion {
  return { version, maxAttempts: planOf(definition, config).maxAttempts, check: inputCheckOf(definition) };
}

function planOf(definition: WorkflowDefinition, config: RetrySettings): Plan {
  return planWorkflow(definition, {
    maxAttempts: config.WORKFLOW_RETRY_ATTEMPTS,
    backoffMs: config.WORKFLOW_RETRY_BACKOFF_MS,
  });
}

async function readDefinition(tx: OrgTx, workflowId: string, version: number): Promise<WorkflowDefinition> {
  const { definition } = await readVersion(tx, workflowId, version);
  return upgradeDocument(definition) as WorkflowDefinition; // it was checked when it was published
}
