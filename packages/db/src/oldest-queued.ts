/**
 * Of organizations, the oldest run that was queued, also by holding it back, when this process stored one last: where the next
 * count of queued runs begins (`app.queue_room`), so that it need not pass all that is over.
 */
const MOST_NOTED = 10_000;
const notedOf = new WeakMap<object, Map<string, string>>();

/** Undefined where nothing is known: then all are counted. `db` is whose database it is. */
export function oldestQueued(db: object, orgId: string): string | undefined {
  return notedOf.get(db)?.get(orgId);
}

/** What whoever stored a run has heard as `queued_from`; null when none was stored. */
export function noteOldestQueued(db: object, orgId: string, queuedFrom: string | null): void {
  if (queuedFrom === null) return;
  const noted = notedOf.get(db) ?? new Map<string, string>();
  notedOf.set(db, noted);
  if (noted.size >= MOST_NOTED && !noted.has(orgId)) noted.clear();
  noted.set(orgId, queuedFrom);
}
