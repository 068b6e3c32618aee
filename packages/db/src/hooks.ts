import { and, eq, sql } from 'drizzle-orm';
import { type Database, queryHot } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';
import { toJsonText } from './json-text.ts';
import { noteOldestQueued, oldestQueued } from './oldest-queued.ts';
import { watchQueue } from './queue-limits.ts';
import { hookDeliveries } from './schema/hooks.ts';
import type { OrgTx } from './tenant.ts';
import { assertUuid } from './uuid.ts';

/** Requests to webhooks: stored first, made into runs by whoever is there. */

export interface NewDelivery {
  id: string;
  workflowId: string;
  /** The published version that accepted it; its run keeps it (R5). */
  version: number;
  runId: string;
  /** SHA-256 of what the sender calls this delivery; null when it names none. */
  dedupeHash: Buffer | null;
  /** Throws UnstorableJsonError for text that PostgreSQL cannot hold. */
  input: Record<string, unknown>;
  maxAttempts: number;
}

/** `isNew` false: the sender sent it before, under the same name. `runId` is the run it makes or has made. */
export interface StoredDelivery {
  id: string;
  runId: string;
  isNew: boolean;
}

/**
 * Stores a delivery, unless this workflow has one of the same name already: then answers that one. Waits while another
 * transaction stores the same name uncommitted. Make its run after the commit.
 */
export async function storeDelivery(tx: OrgTx, delivery: NewDelivery): Promise<StoredDelivery> {
  const { input, ...columns } = delivery;
  const values = {
    ...columns,
    orgId: tx.orgId,
    input: sql`${toJsonText(input)}::jsonb`,
    nextSweepAt: sql`now() + interval '3 s'`,
  };
  const { id, runId, orgId, workflowId, dedupeHash } = hookDeliveries;
  for (;;) {
    const [stored] = await tx.insert(hookDeliveries).values(values).onConflictDoNothing().returning({ id });
    if (stored) return { id: stored.id, runId: delivery.runId, isNew: true };
    const [known] = await tx
      .select({ id, runId })
      .from(hookDeliveries)
      .where(
        and(
          eq(orgId, tx.orgId),
          eq(workflowId, delivery.workflowId),
          eq(dedupeHash, delivery.dedupeHash ?? Buffer.alloc(0)),
        ),
      );
    if (known) return { ...known, isNew: false }; // else it was purged in this very moment
  }
}

export interface HookRun {
  orgId: string;
  workflowId: string;
  runId: string;
  /** Wake nobody for it: it is admitted when its turn comes. */
  isHeld: boolean;
}

/**
 * Makes the run of a stored delivery; null when it was made before, the workflow is gone, or its organization has as many
 * queued runs as it may: then a sweeper makes it later. Wake a worker after, unless it is held.
 */
export async function makeHookRun(db: Database, orgId: string, deliveryId: string): Promise<HookRun | null> {
  assertUuid(orgId, 'orgId');
  assertUuid(deliveryId, 'deliveryId');
  const { window, mostQueuedRuns } = db.admission;
  type Row = { workflowId: string; runId: string; isHeld: boolean; queuedFrom: string };
  const values = [orgId, deliveryId, window, mostQueuedRuns, oldestQueued(db, orgId) ?? null];
  const [row] = await queryHot<Row>(db, MAKE_RUN, values);
  if (!row || row.isHeld) watchQueue(db, orgId);
  if (!row) return null;
  const { queuedFrom, ...run } = row;
  noteOldestQueued(db, orgId, queuedFrom);
  return { orgId, ...run };
}

/**
 * Makes the runs of at most `limit` deliveries that were stored 3 s ago or earlier and have none: their API died, or lost
 * the database. Of several callers one does the work. `onMade` hears of each. Neither a run that cannot be
 * made nor a worker that cannot be woken holds up the others; the first error is thrown at the end.
 */
export async function makeStuckHookRuns(
  db: Database,
  limit: number,
  onMade: (run: HookRun) => Promise<void>,
): Promise<void> {
  const { rows } = await db.pool.query<{ orgId: string; id: string }>(
    'SELECT org_id AS "orgId", id FROM sys.stuck_hook_deliveries($1)',
    [limit],
  );
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  for (const { orgId, id } of rows) {
    const run = await makeHookRun(db, orgId, id).catch((error: unknown) => {
      if (isDatabaseUnavailable(error)) throw error;
      note(error);
      return null;
    });
    if (run) await onMade(run).catch(note);
  }
  if (failures.length > 0) throw failures[0];
}

/** Removes at most `limit` deliveries that nobody sends again; answers how many. Of several callers one does the work. */
export async function purgeHookDeliveries(db: Database, limit: number): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT sys.purge_hook_deliveries($1) AS count', [limit]);
  return rows[0]?.count ?? 0;
}

const MAKE_RUN = {
  name: 'make-hook-run',
  text: `SELECT workflow_id AS "workflowId", run_id AS "runId", held_by IS NOT NULL AS "isHeld", queued_from AS "queuedFrom"
    FROM app.make_hook_run($1::uuid, $2::uuid, $3::integer, $4::integer, $5::uuid)`,
};
