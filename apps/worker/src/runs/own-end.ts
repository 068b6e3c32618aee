import { setTimeout as pause } from 'node:timers/promises';
import { isDatabaseTransient } from '@millrace/db/failures';
import { wasEndedBy } from '@millrace/db/run-ends';
import { hasEnded } from '@millrace/workflow/state';
import type { Execution } from './execution.ts';

const PATIENCE_MS = 30_000;
const PAUSE_MS = 500;

/**
 * Whether this process ended the run after all, asked once its lease is lost: the answer to the last record may have come
 * too late, or never. Nobody else would tell of that end. While the database is away it is asked again for a while.
 */
export async function hasEndedHere(run: Execution): Promise<boolean> {
  if (!hasEnded(run.state)) return false;
  for (const deadline = performance.now() + PATIENCE_MS; ; await pause(PAUSE_MS)) {
    try {
      return await wasEndedBy(run.deps.db, run.claim);
    } catch (error) {
      if (!isDatabaseTransient(error)) throw error;
      if (performance.now() > deadline) return false;
    }
  }
}
