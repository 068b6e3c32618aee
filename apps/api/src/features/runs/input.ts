import type { OrgTx } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { type InputCheck, inputCheckOf } from '@millrace/workflow/triggers/input-schema';
import { readDefinition } from './max-attempts.ts';

/** Keyed by workflow and version: a published version never changes, so an entry is never wrong, only forgotten. */
const known = new Map<string, InputCheck | null>();
const MAX_KNOWN = 1_000;

/** Throws 400 with every path that is wrong unless the input fits the input schema of the published version, if any. */
export async function assertInput(tx: OrgTx, workflowId: string, version: number, input: unknown): Promise<void> {
  const problems = (await checkOf(tx, workflowId, version))?.(input) ?? [];
  if (problems.length > 0) throw new AppError('BAD_REQUEST', undefined, { details: problems });
}

async function checkOf(tx: OrgTx, workflowId: string, version: number): Promise<InputCheck | null> {
  const key = `${workflowId}:${version}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const check = inputCheckOf(await readDefinition(tx, workflowId, version));
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, check);
  return check;
}
