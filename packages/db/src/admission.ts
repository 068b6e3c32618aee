import { AppError } from '@millrace/shared/errors';
import { sql } from 'drizzle-orm';
import { type Admission, type Database, queryHot } from './connect.ts';
import type { OrgTx } from './tenant.ts';
import { assertUuid } from './uuid.ts';

/** Which queued runs go on: see docs/adr/0016-fair-admission.md. */

export interface QueueRoom {
  /** So many of the new runs may be admitted, which are the oldest ones; the others are held. */
  admissible: number;
  /** So many may be stored at all. */
  storable: number;
}

/**
 * For somebody about to store `count` queued runs in this transaction, which should end soon: others may wait for it. With 0
 * nobody does, and the answer may be out of date by the runs that others are storing.
 */
export async function readQueueRoom(tx: OrgTx, count: number, admission: Admission): Promise<QueueRoom> {
  const { window, mostQueuedRuns } = admission;
  const { rows } = await tx.execute<{ admissible: number; storable: number | null }>(
    sql`SELECT admissible, storable FROM app.queue_room(${tx.orgId}, ${count}, ${window}, ${mostQueuedRuns})`,
  );
  return { admissible: rows[0]?.admissible ?? 0, storable: rows[0]?.storable ?? Number.POSITIVE_INFINITY };
}

export function queueIsFull(): AppError {
  return new AppError(
    'RUN_LIMIT_EXCEEDED',
    'The organization has as many queued runs as it may. Wait until some have started, cancel some, or ask the operator for a higher limit.',
    { retryAfterSec: 5 },
  );
}

/** Admits held runs of these organizations as far as there is room, and answers them: wake a worker for each. */
export async function admitHeldRuns(
  db: Database,
  orgIds: readonly string[],
): Promise<{ orgId: string; runId: string }[]> {
  if (orgIds.length === 0) return [];
  for (const orgId of orgIds) assertUuid(orgId, 'orgId');
  // Each organization's lock is kept until all are done: in the order of those who accept runs, or two wait in a circle.
  const inOrder = orgIds.toSorted();
  const rows = await queryHot<{ orgId: string; admitted: string[] }>(db, ADMIT, [inOrder, db.admission.window]);
  return rows.flatMap(({ orgId, admitted }) => admitted.map((runId) => ({ orgId, runId })));
}

/** At most `limit` organizations that have held runs, others each time when they are many; none while another process asks. */
export async function findOrgsWithHeldRuns(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ orgId: string }>('SELECT org_id AS "orgId" FROM sys.orgs_with_held_runs($1)', [
    limit,
  ]);
  return rows.map(({ orgId }) => orgId);
}

/** A backlog is long at this number; counting further would cost more than it tells. */
const MOST_COUNTED = 100_000;

/** Queued runs of all organizations: those a worker may take, and those that wait for their turn; at most 100,000 of each. */
export async function countQueuedRuns(db: Database): Promise<{ admitted: number; held: number }> {
  const { rows } = await db.pool.query<{ admitted: number; held: number }>(
    'SELECT admitted, held FROM sys.count_queued_runs($1)',
    [MOST_COUNTED],
  );
  return rows[0] ?? { admitted: 0, held: 0 };
}

const ADMIT = {
  name: 'admit-held-runs',
  text: 'SELECT org_id AS "orgId", admitted FROM app.admit_held_runs($1::uuid[], $2::integer)',
};
