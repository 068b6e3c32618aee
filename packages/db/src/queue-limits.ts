import { type Database, queryHot } from './connect.ts';
import { perDatabase } from './per-database.ts';
import { assertUuid } from './uuid.ts';

/**
 * Limits of queued runs that are too high to be counted with each run. An organization is counted at most once a second and
 * process, and only while some of its runs are held; so the limit may be passed by what is accepted within a second.
 */
const COUNTED_EVERY_MS = 1_000;

interface Watched {
  countedAt: number;
  state: Promise<QueueState>;
}

export interface QueueState {
  /** The organization has as many queued runs as it may. */
  isFull: boolean;
  /** The limit is so low that whoever stores a run knows exactly: this count may be a second old. */
  isExact: boolean;
  isBusy: boolean;
}

const ROOM: QueueState = { isFull: false, isExact: false, isBusy: false };
const watched = perDatabase(() => new Map<string, Watched>());

/** To be called when a run of the organization was held, or found no room. */
export function watchQueue(db: Database, orgId: string): void {
  const orgs = watched(db);
  if (!orgs.has(orgId)) orgs.set(orgId, { countedAt: Number.NEGATIVE_INFINITY, state: Promise.resolve(ROOM) });
}

/** How full the queue is, as of at most a second ago. */
export async function readQueueState(db: Database, orgId: string): Promise<QueueState> {
  const orgs = watched(db);
  const one = orgs.get(orgId);
  if (!one) return ROOM;
  if (performance.now() - one.countedAt >= COUNTED_EVERY_MS) {
    one.countedAt = performance.now();
    one.state = countQueue(db, orgId);
  }
  const state = await one.state.catch(() => ROOM); // a limit that cannot be read refuses nobody
  if (!state.isBusy) orgs.delete(orgId);
  return state;
}

async function countQueue(db: Database, orgId: string): Promise<QueueState> {
  assertUuid(orgId, 'orgId');
  const [state] = await queryHot<QueueState>(db, STATE, [orgId, db.admission.mostQueuedRuns]);
  return state ?? ROOM;
}

const STATE = {
  name: 'queue-state',
  text: `SELECT is_full AS "isFull", is_exact AS "isExact", is_busy AS "isBusy"
    FROM app.queue_state($1::uuid, $2::integer)`,
};
