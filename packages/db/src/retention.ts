import { sql } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { withOrg } from './tenant.ts';

/** Runs that ended long ago go, oldest first, with their steps, timelines, large values and files. */

export interface RetentionDue {
  orgId: string;
  /** So old are the runs that go. */
  days: number;
}

/** Organizations with runs that are to go, in no order; none while another process clears runs away. */
export async function findOrgsWithOldRuns(db: Database, defaultDays: number, limit: number): Promise<RetentionDue[]> {
  const { rows } = await db.pool.query<RetentionDue>(
    'SELECT org_id AS "orgId", days FROM sys.orgs_with_old_runs($1, $2)',
    [defaultDays, limit],
  );
  return rows;
}

/** What one portion may remove, in rows and in bytes as stored: a fraction of a second, so that nothing waits for it. */
const MAX_ROWS = 2_000;
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_RUNS = 500;

/**
 * Removes one portion of these runs and answers how many; 0 when there are none, null while another process is at it. Rows
 * that somebody holds are left for another time, and so is what a run that has not ended goes on from, or was started by: it may
 * read the files of that one, and its owner would wait for our lock.
 */
export async function purgeOldRuns(db: Database, { orgId, days }: RetentionDue): Promise<number | null> {
  return withOrg(db, orgId, async (tx) => {
    const { rows: locks } = await tx.execute<{ isMine: boolean }>(
      sql`SELECT pg_try_advisory_xact_lock(7303027) AS "isMine"`,
    );
    if (!locks[0]?.isMine) return null;
    const { rows } = await tx.execute<{ id: string }>(sql`
      WITH page AS MATERIALIZED (
        SELECT r.id, r.finished_at, 1 + r.event_count AS rows, pg_column_size(r) AS bytes
        FROM app.workflow_runs r
        WHERE r.org_id = ${orgId} AND r.finished_at < now() - ${days}::integer * interval '1 day'
          AND NOT EXISTS (
            SELECT FROM app.workflow_runs later
            WHERE later.org_id = ${orgId} AND later.retry_of_run_id = r.id AND later.finished_at IS NULL)
          AND NOT EXISTS (
            WITH RECURSIVE family AS (
              SELECT c.id, c.finished_at FROM app.workflow_runs c WHERE c.org_id = ${orgId} AND c.parent_run_id = r.id
              UNION ALL
              SELECT c.id, c.finished_at FROM family f
              JOIN app.workflow_runs c ON c.org_id = ${orgId} AND c.parent_run_id = f.id)
            SELECT FROM family WHERE family.finished_at IS NULL)
        ORDER BY r.finished_at LIMIT ${MAX_RUNS} FOR UPDATE SKIP LOCKED
      ), weighed AS (
        SELECT page.id, row_number() OVER oldest AS place, sum(page.rows + steps.rows) OVER oldest AS rows,
          sum(page.bytes + steps.bytes + blobs.bytes + files.bytes) OVER oldest AS bytes
        FROM page,
          LATERAL (SELECT count(*) AS rows, coalesce(sum(pg_column_size(s)), 0) AS bytes
            FROM app.workflow_run_steps s WHERE s.org_id = ${orgId} AND s.run_id = page.id) steps,
          LATERAL (SELECT coalesce(sum(pg_column_size(b.data)), 0) AS bytes
            FROM app.workflow_run_blobs b WHERE b.org_id = ${orgId} AND b.run_id = page.id) blobs,
          LATERAL (SELECT coalesce(sum(pg_column_size(c.data)), 0) AS bytes
            FROM app.workflow_run_file_chunks c WHERE c.org_id = ${orgId} AND c.run_id = page.id) files
        WINDOW oldest AS (ORDER BY page.finished_at, page.id)
      )
      DELETE FROM app.workflow_runs r USING weighed w
      WHERE r.org_id = ${orgId} AND r.id = w.id AND (w.place = 1 OR (w.rows <= ${MAX_ROWS} AND w.bytes <= ${MAX_BYTES}))
      RETURNING r.id`);
    return rows.length;
  });
}
