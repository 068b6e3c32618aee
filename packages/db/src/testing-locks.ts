import type pg from 'pg';

const PATIENCE_MS = 10_000;

/** Until a statement of this login waits for a lock in the database of `admin`. Throws when none does within 10 s. */
export async function untilLockWaits(admin: pg.Pool, login: 'app_api' | 'app_worker'): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  const text = `SELECT FROM pg_stat_activity
    WHERE usename = $1 AND wait_event_type = 'Lock' AND datname = current_database()`;
  while ((await admin.query(text, [login])).rowCount === 0) {
    if (performance.now() > deadline) throw new Error(`no statement of ${login} waits for a lock`);
  }
}
