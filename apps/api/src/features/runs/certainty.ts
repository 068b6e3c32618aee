import { setTimeout as pause } from 'node:timers/promises';
import { isDatabaseTransient } from '@millrace/db/failures';
import { endLostBackend, mayHaveCommitted } from '@millrace/db/lost-backends';
import { withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import type { OrgContext } from '../../context.ts';
import { findRun } from './queries.ts';
import { type StoredRun, toStoredRun } from './rows.ts';

/** Longer than PostgreSQL needs to come back from a crash; a client waits so long once, for the truth. */
const PATIENCE_MS = 15_000;
const PAUSE_MS = 100;

/**
 * Stores a run by `store`, and finds out what became of it when the answer of the database was lost: the commit may have
 * gone through all the same, or go through yet, and 503 means that nothing is left (R7). Rethrows the failure when nothing was
 * stored. While the database stays away longer, or behind a pooler, nobody can know, and the answer says so.
 */
export async function storeSurely(
  context: OrgContext,
  { workflowId, runId }: { workflowId: string; runId: string },
  store: () => Promise<StoredRun>,
): Promise<StoredRun> {
  try {
    return await store();
  } catch (error) {
    if (!mayHaveCommitted(error)) throw error;
    const { stored, isFinal } = await patiently(() => findOut(context, { workflowId, runId }, error)).catch(sayUnknown);
    if (stored) return stored;
    if (!isFinal) sayUnknown(error);
    throw error;
  }
}

/** To be thrown where the outcome of a write cannot be found out. */
export function sayUnknown(error: unknown): never {
  if (!isDatabaseTransient(error)) throw error;
  const message =
    'The database went away while the run was being stored, so it may have been: look at the runs, or repeat with the same Idempotency-Key.';
  throw new AppError('DATABASE_UNAVAILABLE', message, { cause: error, retryAfterSec: 5 });
}

/** Repeats `work` while the database is away, for a while. Only for work that may be done twice. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + PATIENCE_MS; ; await pause(PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isDatabaseTransient(error) || performance.now() > deadline) throw error;
    }
  }
}

/** The connection that broke may still have its statement at work, to be committed after any look: that ends first. */
async function findOut(
  context: OrgContext,
  { workflowId, runId }: { workflowId: string; runId: string },
  error: unknown,
): Promise<{ stored: StoredRun | null; isFinal: boolean }> {
  const isFinal = await endLostBackend(context.deps.db, error);
  return { stored: await findStored(context, workflowId, runId), isFinal };
}

async function findStored({ deps, orgId }: OrgContext, workflowId: string, runId: string): Promise<StoredRun | null> {
  try {
    return toStoredRun(await withOrg(deps.db, orgId, (tx) => findRun(tx, workflowId, runId)));
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}
