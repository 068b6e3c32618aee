import type pg from 'pg';
import type { Database } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';

/** What became of a statement whose connection broke: PostgreSQL works on, and commits, until it misses its client. */

interface LostBackend {
  /** As the server told it when the connection was opened; a pooler tells a number of its own, or none. */
  processId: number | null;
  /** On `performance.now()`, after the connection was there. */
  heldSince: number;
  ending?: Promise<boolean> | undefined;
}

/** By the error that the caller hears. Callers that shared a statement hear the same one. */
const lostBackends = new WeakMap<Error, LostBackend>();

/** Longer than a process takes that waits for nobody but a busy disk. */
const END_WITHIN_MS = 10_000;

/**
 * Runs `fn` on a connection of the pool. One that broke, or whose statement nobody waited for, is handed to nobody else, and
 * its server process is remembered for `endLostBackend`.
 */
export async function onConnection<T>(db: Database, fn: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  const heldSince = performance.now();
  let isBroken = false;
  const noteBreak = () => {
    isBroken = true;
  };
  client.on('error', noteBreak); // whatever the socket calls it
  try {
    return await fn(client);
  } catch (error) {
    isBroken ||= isDatabaseUnavailable(error);
    if (isBroken && error instanceof Error) lostBackends.set(error, { processId: processIdOf(client), heldSince });
    throw error;
  } finally {
    client.off('error', noteBreak);
    client.release(isBroken);
  }
}

/** Whether a statement was at work whose outcome nobody heard. After any other failure nothing of it was stored. */
export function mayHaveCommitted(error: unknown): boolean {
  return error instanceof Error && lostBackends.has(error);
}

/**
 * Ends the server process that was at work when `error` was thrown. Afterwards its transaction is committed or rolled back,
 * and what a new transaction sees is final. False when that cannot be had: the process would not end in time, or a pooler
 * stands between, behind which nobody knows the processes. Throws while the database is away.
 */
export async function endLostBackend(db: Database, error: unknown): Promise<boolean> {
  const lost = error instanceof Error ? lostBackends.get(error) : undefined;
  if (lost === undefined) return true;
  lost.ending ??= end(db, lost).catch((failure: unknown) => {
    lost.ending = undefined;
    throw failure;
  });
  return await lost.ending;
}

async function end(db: Database, { processId, heldSince }: LostBackend): Promise<boolean> {
  return await onConnection(db, async (client) => {
    const own = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    if (processId === null || own.rows[0]?.pid !== processIdOf(client)) return false;
    const ended = await client.query<{ isGone: boolean }>(END, [
      processId,
      END_WITHIN_MS,
      performance.now() - heldSince,
    ]);
    return ended.rows.every(({ isGone }) => isGone);
  });
}

/**
 * No row when it has ended by itself. A number is given again to later processes, at once by a server that starts anew in its
 * container: only one that began before the connection was held is meant.
 */
const END = `SELECT pg_terminate_backend(pid, $2) AS "isGone" FROM pg_stat_activity
  WHERE pid = $1 AND datname = current_database() AND usename = session_user
    AND clock_timestamp() - backend_start >= $3::double precision * interval '1 ms'`;

function processIdOf(client: pg.PoolClient): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null;
}
