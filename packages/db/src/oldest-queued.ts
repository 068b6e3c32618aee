import type { Database } from './connect.ts';
import { perDatabase } from './per-database.ts';

/**
 * Of organizations, the oldest run that was queued, also by holding it back, when this process stored one last: where the next
 * count of queued runs begins (`app.queue_room`), so that it need not pass all that is over.
 */
const MOST_NOTED = 10_000;
const notedOf = perDatabase(() => new Map<string, string>());

/** Undefined where nothing is known: then all are counted. */
export function oldestQueued(db: Database, orgId: string): string | undefined {
  return notedOf(db).get(orgId);
}

/** What whoever stored a run has heard as `queued_from`; null when none was stored. */
export function noteOldestQueued(db: Database, orgId: string, queuedFrom: string | null): void {
  if (queuedFrom === null) return;
  const noted = notedOf(db);
  if (noted.size >= MOST_NOTED && !noted.has(orgId)) noted.clear();
  noted.set(orgId, queuedFrom);
}
