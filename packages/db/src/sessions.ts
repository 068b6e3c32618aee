import type { Database } from './connect.ts';

/**
 * Removes sessions that ended 30 days ago, revoked or unused, at most so many; answers how many. No token of an ended one
 * is accepted, whatever becomes of its row; until then the row tells from which addresses its user used to sign in.
 */
export async function purgeEndedSessions(db: Database, limit: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `DELETE FROM app.auth_sessions WHERE id IN (
       SELECT id FROM app.auth_sessions WHERE least(revoked_at, idle_expires_at) < now() - interval '30 days'
       LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount ?? 0;
}
