import type { Database } from '@millrace/db/connect';
import { purgeHookDeliveries } from '@millrace/db/hooks';
import { purgeExpiredAnswers } from '@millrace/db/idempotency';
import { purgeOldAccountTokens } from '@millrace/db/mails';
import { purgeEndedSessions } from '@millrace/db/sessions';

/** How often an API process removes what has expired, at most. */
export const CLEAN_UP_MS = 60_000;

/** Rows of one statement, so that none holds its locks for long. */
const BATCH = 1_000;
/** Bounds one clean-up; what is left over is for the next. More expire a minute only beyond 300 keys a second. */
const MOST_BATCHES = 20;

/**
 * Removes answers whose `Idempotency-Key` has expired, tokens of mailed links long dead, sessions that ended long ago and
 * deliveries of webhooks that nobody sends again; answers how many rows.
 */
export async function cleanUp(db: Database): Promise<number> {
  let purged = 0;
  for (const purgeSome of [purgeExpiredAnswers, purgeOldAccountTokens, purgeEndedSessions, purgeHookDeliveries])
    purged += await purge(db, purgeSome);
  return purged;
}

async function purge(db: Database, purgeSome: (db: Database, limit: number) => Promise<number>): Promise<number> {
  let purged = 0;
  for (let batch = 0; batch < MOST_BATCHES; batch += 1) {
    const count = await purgeSome(db, BATCH);
    purged += count;
    if (count < BATCH) break;
  }
  return purged;
}
