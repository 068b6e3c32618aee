import pg from 'pg';
import type { Database } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';

/** What became of a statement whose connection broke: PostgreSQL works on, and commits, until it misses its client. */

/** By the error that the caller hears: the process id of the server process that was at work. */
const lostBackends = new WeakMap<Error, number>();

/** Longer than a process takes that waits for nobody but a busy disk. */
const END_WITHIN_MS = 10_000;

/**
 * Runs `fn` on a connection of the pool. One that broke, or whose statement nobody waited for, is handed to nobody else, and
 * its server process is remembered for `endLostBackend`.
 */
export async function onConnection<T>(db: Database, fn: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  let isBroken = false;
  try {
    return await fn(client);
  } catch (error) {
    isBroken = isDatabaseUnavailable(error);
    if (isBroken && error instanceof Error) lostBackends.set(error, processIdOf(client));
    throw error;
  } finally {
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
  return await onConnection(db, async (client) => {
    const own = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    if (own.rows[0]?.pid !== processIdOf(client)) return false;
    const ended = await client.query<{ isGone: boolean }>(END, [lost, END_WITHIN_MS]);
    return ended.rows.every(({ isGone }) => isGone);
  });
}

/** No row when it has ended by itself. Only processes of our own login: a number is given again to later ones. */
const END = `SELECT pg_terminate_backend(pid, $2) AS "isGone" FROM pg_stat_activity
  WHERE pid = $1 AND datname = current_database() AND usename = session_user`;

/** As the server told it when the connection was opened. A pooler tells a number of its own. */
function processIdOf(client: pg.PoolClient): number {
  if (client instanceof pg.Client && 'processID' in client && typeof client.processID === 'number') {
    return client.processID;
  }
  throw new Error('pg no longer tells the process id of a connection');
}
