import { withOrg } from '@millrace/db/tenant';
import { type InputCheck, inputCheckOf } from '@millrace/workflow/triggers/input-schema';
import type { OrgContext } from '../../context.ts';
import { planOf, readDefinition } from './max-attempts.ts';

/** What accepting a run of a published version takes from its document. */
export interface PreparedVersion {
  version: number;
  maxAttempts: number;
  check: InputCheck | null;
}

/** By organization and workflow, its newest version as last seen: the database says when there is a newer one. */
const known = new Map<string, PreparedVersion>();
const MAX_KNOWN = 1_000;

/** The version this process last accepted a run of; a guess, which accepting confirms or corrects. */
export function lastVersionOf({ orgId }: OrgContext, workflowId: string): PreparedVersion | undefined {
  return known.get(`${orgId}:${workflowId}`);
}

/** Reads and plans the document once for each version, and not for every run. */
export async function prepareVersion(context: OrgContext, workflowId: string, version: number) {
  const { deps, orgId } = context;
  const prepared = await withOrg(deps.db, orgId, async (tx): Promise<PreparedVersion> => {
    const definition = await readDefinition(tx, workflowId, version);
    const { maxAttempts } = planOf(definition, deps.config);
    return { version, maxAttempts, check: inputCheckOf(definition) };
  });
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(`${orgId}:${workflowId}`, prepared);
  return prepared;
}
