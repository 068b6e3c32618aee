import { and, asc, eq, inArray, isNotNull, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Database } from './connect.ts';
import { hookDeliveries } from './schema/hooks.ts';
import { idempotencyKeys } from './schema/idempotency-keys.ts';
import {
  workflowRunBlobs,
  workflowRunCalls,
  workflowRunEvents,
  workflowRunFileChunks,
  workflowRunSteps,
  workflowRuns,
} from './schema/runs.ts';
import { type OrgTx, withOrg } from './tenant.ts';

/**
 * What belongs to an organization or a workflow without any limit is deleted in portions, each in a transaction of its
 * own: neither a statement's time limit nor a lock may depend on how much there is. A portion has an end in rows, steps
 * and timeline included, and in stored bytes; deleting one takes a second or two even on a slow disk.
 */
const MAX_ROWS = 5_000;
const MAX_BYTES = 50 * 1024 * 1024;
/** How many are weighed at once. */
const PAGE = 1_000;

export interface PortionedDeletion {
  /** Comes first in every transaction, to lock and to check; what it throws ends the deletion there. */
  guard: (tx: OrgTx) => Promise<unknown>;
  /** Comes last in the first transaction that deletes something: whoever stops half-way has left this behind. */
  begin: (tx: OrgTx) => Promise<unknown>;
}

/** A row that is about to go, and what goes with it; `place` is where the next portion starts. */
interface Weighed {
  id: string;
  place: SQL;
  rows: number;
  bytes: number;
}

/** Weighs the first rows behind a place, and deletes those it is told. */
interface Pile {
  weigh: (tx: OrgTx, after: SQL | undefined) => Promise<Weighed[]>;
  remove: (tx: OrgTx, ids: string[]) => Promise<unknown>;
}

/**
 * Deletes the runs of an organization, or the ended ones of one workflow, oldest first, until less than a portion is left, which goes
 * with what it belongs to; answers how many it deleted. One that stops half-way is finished by calling it again.
 */
export async function deleteMostRuns(
  db: Database,
  orgId: string,
  deletion: PortionedDeletion,
  workflowId?: string,
): Promise<number> {
  return deletePile(db, orgId, deletion, {
    weigh: (tx, after) => weighRuns(tx, workflowId, after),
    remove: (tx, ids) =>
      tx.delete(workflowRuns).where(and(eq(workflowRuns.orgId, tx.orgId), inArray(workflowRuns.id, ids))),
  });
}

/** The same with deliveries of webhooks: those of an organization, or the ones of one workflow whose run was made. */
export async function deleteMostHookDeliveries(
  db: Database,
  orgId: string,
  deletion: PortionedDeletion,
  workflowId?: string,
): Promise<number> {
  const { id } = hookDeliveries;
  return deletePile(db, orgId, deletion, {
    weigh: (tx, after) => weighHookDeliveries(tx, workflowId, after),
    remove: (tx, ids) => tx.delete(hookDeliveries).where(and(eq(hookDeliveries.orgId, tx.orgId), inArray(id, ids))),
  });
}

/** The same with the answers kept under idempotency keys. */
export async function deleteMostIdempotencyKeys(
  db: Database,
  orgId: string,
  deletion: PortionedDeletion,
): Promise<number> {
  const { key } = idempotencyKeys;
  return deletePile(db, orgId, deletion, {
    weigh: weighIdempotencyKeys,
    remove: (tx, keys) =>
      tx.delete(idempotencyKeys).where(and(eq(idempotencyKeys.orgId, tx.orgId), inArray(key, keys))),
  });
}

async function deletePile(db: Database, orgId: string, deletion: PortionedDeletion, pile: Pile): Promise<number> {
  let after: SQL | undefined;
  for (let count = 0; ; ) {
    const portion = await withOrg(db, orgId, async (tx) => {
      await deletion.guard(tx);
      const ids = cutPortion(await pile.weigh(tx, after));
      if (ids.length === 0) return ids;
      await pile.remove(
        tx,
        ids.map(({ id }) => id),
      );
      if (count === 0) await deletion.begin(tx);
      return ids;
    });
    if (portion.length === 0) return count;
    count += portion.length;
    after = portion.at(-1)?.place; // spares the next one the index entries of what is deleted already
  }
}

/** The first rows of a page that fit into one portion, at least one; none when all do and it is the last page. */
function cutPortion(page: Weighed[]): Weighed[] {
  let [rows, bytes] = [0, 0];
  const end = page.findIndex((row) => {
    rows += row.rows;
    bytes += row.bytes;
    return rows > MAX_ROWS || bytes > MAX_BYTES;
  });
  if (end === -1) return page.length < PAGE ? [] : page;
  return page.slice(0, Math.max(end, 1));
}

/** The page comes first, with its limit: steps of other runs are not read. */
async function weighRuns(tx: OrgTx, workflowId: string | undefined, after: SQL | undefined): Promise<Weighed[]> {
  const { orgId, id, createdAt, finishedAt, eventCount, state, input, output, error } = workflowRuns;
  const isOfWorkflow = and(eq(workflowRuns.workflowId, workflowId ?? ''), isNotNull(finishedAt));
  const page = tx
    .select({ id, createdAt, eventCount, bytes: storedBytes(state, input, output, error).as('bytes') })
    .from(workflowRuns)
    .where(
      and(
        eq(orgId, tx.orgId),
        workflowId === undefined ? undefined : isOfWorkflow,
        after && sql`(${createdAt}, ${id}) > ${after}`,
      ),
    )
    .orderBy(asc(createdAt), asc(id))
    .limit(PAGE)
    .as('page');
  const of = workflowRunSteps;
  const steps = tx
    .select({
      rows: sql`count(*)`.as('rows'),
      bytes: sql`sum(${storedBytes(of.input, of.output, of.error)})`.as('sum'),
    })
    .from(of)
    .where(and(eq(of.orgId, tx.orgId), eq(of.runId, page.id)))
    .as('steps');
  const found = await tx
    .select({
      id: page.id,
      createdAt: page.createdAt,
      rows: sql`1 + ${steps.rows} + ${page.eventCount}`.mapWith(Number),
      bytes:
        sql`${page.bytes} + coalesce(${steps.bytes}, 0) + ${timelineBytes(tx, page.id)} + ${blobBytes(tx, page.id)} + ${fileBytes(tx, page.id)} + ${callBytes(tx, page.id)}`.mapWith(
          Number,
        ),
    })
    .from(page)
    .leftJoinLateral(steps, sql`true`)
    .orderBy(asc(page.createdAt), asc(page.id));
  return found.map((run) => ({ ...run, place: sql`(${run.createdAt.toISOString()}::timestamptz, ${run.id}::uuid)` }));
}

function timelineBytes(tx: OrgTx, runId: SQLWrapper): SQL {
  const { orgId, entries } = workflowRunEvents;
  const isOfRun = and(eq(orgId, tx.orgId), eq(workflowRunEvents.runId, runId));
  return sql`(SELECT coalesce(sum(${storedBytes(entries)}), 0) FROM ${workflowRunEvents} WHERE ${isOfRun})`;
}

function blobBytes(tx: OrgTx, runId: SQLWrapper): SQL {
  const { orgId, data } = workflowRunBlobs;
  const isOfRun = and(eq(orgId, tx.orgId), eq(workflowRunBlobs.runId, runId));
  return sql`(SELECT coalesce(sum(${storedBytes(data)}), 0) FROM ${workflowRunBlobs} WHERE ${isOfRun})`;
}

function fileBytes(tx: OrgTx, runId: SQLWrapper): SQL {
  const { orgId, data } = workflowRunFileChunks;
  const isOfRun = and(eq(orgId, tx.orgId), eq(workflowRunFileChunks.runId, runId));
  return sql`(SELECT coalesce(sum(${storedBytes(data)}), 0) FROM ${workflowRunFileChunks} WHERE ${isOfRun})`;
}

/** Of what was sent to waiting steps; its rows are no more than the steps. */
function callBytes(tx: OrgTx, runId: SQLWrapper): SQL {
  const { orgId, input } = workflowRunCalls;
  const isOfRun = and(eq(orgId, tx.orgId), eq(workflowRunCalls.runId, runId));
  return sql`(SELECT coalesce(sum(${storedBytes(input)}), 0) FROM ${workflowRunCalls} WHERE ${isOfRun})`;
}

async function weighHookDeliveries(tx: OrgTx, ofWorkflow: string | undefined, after: SQL | undefined) {
  const { orgId, workflowId, id, input, expiresAt } = hookDeliveries;
  const isOfWorkflow = and(eq(workflowId, ofWorkflow ?? ''), isNotNull(expiresAt));
  const found = await tx
    .select({ id, bytes: storedBytes(input).mapWith(Number) })
    .from(hookDeliveries)
    .where(
      and(eq(orgId, tx.orgId), ofWorkflow === undefined ? undefined : isOfWorkflow, after && sql`${id} > ${after}`),
    )
    .orderBy(asc(id))
    .limit(PAGE);
  return found.map((row) => ({ ...row, rows: 1, place: sql`${row.id}::uuid` }));
}

async function weighIdempotencyKeys(tx: OrgTx, after: SQL | undefined): Promise<Weighed[]> {
  const { orgId, key, response } = idempotencyKeys;
  const found = await tx
    .select({ id: key, bytes: storedBytes(response).mapWith(Number) })
    .from(idempotencyKeys)
    .where(and(eq(orgId, tx.orgId), after && sql`${key} > ${after}`))
    .orderBy(asc(key))
    .limit(PAGE);
  return found.map((row) => ({ ...row, rows: 1, place: sql`${row.id}` }));
}

/** As they lie on the disk, compressed perhaps; nothing of them is read for it. */
function storedBytes(...columns: PgColumn[]): SQL {
  return sql.join(
    columns.map((column) => sql`coalesce(pg_column_size(${column}), 0)`),
    sql` + `,
  );
}
