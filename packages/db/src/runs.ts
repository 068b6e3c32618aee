import { and, eq, type SQL, sql } from 'drizzle-orm';
import { admitHeldRuns, findOrgsWithHeldRuns, queueIsFull, readQueueRoom } from './admission.ts';
import { type Database, DEFAULT_ADMISSION, queryHot } from './connect.ts';
import { toJsonText } from './json-text.ts';
import { readValue } from './run-blobs.ts';
import { type StepStatus, workflowRuns } from './schema/runs.ts';
import { type OrgTx, withOrg } from './tenant.ts';
import { assertUuid } from './uuid.ts';
import { giveOnLeftPlaces } from './workflow-concurrency.ts';

/** The life of a run in the database. Rows are the truth: whoever was woken asks here what there is to do. */

export type Run = typeof workflowRuns.$inferSelect;

export interface NewRun {
  id: string;
  workflowId: string;
  version: number;
  triggerType: string;
  /** Any JSON value; undefined for none. Throws UnstorableJsonError for text that PostgreSQL cannot hold. */
  input?: unknown;
  maxAttempts: number;
  requestedByUserId: string | null;
  retryOfRunId?: string | null;
  /** Where it goes on; absent for a run that begins at its beginning. */
  state?: unknown;
}

/**
 * Stores the accepted run, pinned to a published version of its own organization. Wake a worker after the commit, unless it
 * is held. Throws RUN_LIMIT_EXCEEDED when the organization has as many queued runs as it may.
 */
export async function insertQueuedRun(tx: OrgTx, run: NewRun, admission = DEFAULT_ADMISSION): Promise<Run> {
  const { input, state, ...columns } = run;
  // The transaction copies steps as well.
  const { admissible, storable } = await readQueueRoom(tx, 0, admission);
  if (storable <= 0) throw queueIsFull();
  const rows = await tx
    .insert(workflowRuns)
    .values({
      ...columns,
      ...{ orgId: tx.orgId, input: jsonb(input), state: jsonb(state) },
      ...admissionOf(admissible > 0),
    })
    .returning();
  const stored = rows[0];
  if (!stored) throw new Error('the inserted run was not returned');
  return stored;
}

/** The columns of a new run that say whether it is admitted. */
export function admissionOf(isAdmitted: boolean) {
  return isAdmitted
    ? { heldBy: null, nextSweepAt: sql`now() + interval '3 s'` }
    : { heldBy: 'organization' as const, nextSweepAt: null };
}

/**
 * Copies the rows of these steps of the run itself, and of the iterations of those that are loops, to another run, with
 * their large values and files. Steps of `onFailure` are no part of it.
 */
export async function copySteps(
  tx: OrgTx,
  { fromRunId, toRunId, kept }: { fromRunId: string; toRunId: string; kept: readonly CopiedStep[] },
): Promise<void> {
  const iteration = sql`split_part(substr(s.step_key, char_length(k."stepKey") + 2), '.', 1)::integer`;
  // The part of a key behind a loop's is the number of an iteration; those of `onFailure` are no iterations.
  const isKept = sql`EXISTS (
    SELECT FROM jsonb_to_recordset(${JSON.stringify(kept)}::jsonb) AS k ("stepKey" text, loop jsonb)
    WHERE s.step_key = k."stepKey" OR (starts_with(s.step_key, k."stepKey" || '.')
      AND CASE WHEN k.loop IS NULL THEN true ELSE ${iteration} < (k.loop ->> 'next')::integer
        AND NOT k.loop -> 'open' @> to_jsonb(${iteration}) END))`;
  const isCopied = sql`s.org_id = ${tx.orgId} AND s.run_id = ${fromRunId}
      AND CASE WHEN s.step_key ~ '^[^.]+($|\\.[0-9])' THEN ${isKept} ELSE false END
      AND s.finished_at IS NOT NULL`;
  const loopKeys = kept.flatMap(({ stepKey, loop }) => (loop === null ? [] : [stepKey]));
  const goesOn = sql`s.step_key IN (SELECT jsonb_array_elements_text(${JSON.stringify(loopKeys)}::jsonb))`;
  await tx.execute(sql`
    INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, attempt, input, input_bytes, output,
      output_bytes, error, started_at, finished_at, ordinal)
    SELECT s.org_id, ${toRunId}, s.step_key, s.type, CASE WHEN ${goesOn} THEN 'running' ELSE s.status END, s.attempt,
      s.input, s.input_bytes, s.output, s.output_bytes, CASE WHEN ${goesOn} THEN NULL ELSE s.error END, s.started_at,
      CASE WHEN ${goesOn} THEN NULL ELSE s.finished_at END, s.ordinal
    FROM app.workflow_run_steps s
    WHERE ${isCopied}`);
  await tx.execute(sql`
    INSERT INTO app.workflow_run_blobs (org_id, run_id, step_key, field, size_bytes, data)
    SELECT b.org_id, ${toRunId}, b.step_key, b.field, b.size_bytes, b.data
    FROM app.workflow_run_steps s
    JOIN app.workflow_run_blobs b ON b.org_id = s.org_id AND b.run_id = s.run_id AND b.step_key = s.step_key
    WHERE ${isCopied} AND coalesce(s.input_bytes, s.output_bytes) IS NOT NULL`);
  await copyFiles(tx, { fromRunId, toRunId, isCopied });
}

/** Under the same ids, which the copied outputs hold; file by file, so that no statement depends on how many there are. */
async function copyFiles(
  tx: OrgTx,
  { fromRunId, toRunId, isCopied }: { fromRunId: string; toRunId: string; isCopied: SQL },
): Promise<void> {
  const { rows: files } = await tx.execute<{ id: string }>(sql`
    INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type, size_bytes)
    SELECT f.org_id, ${toRunId}, f.id, f.step_key, f.name, f.content_type, f.size_bytes
    FROM app.workflow_run_steps s
    JOIN app.workflow_run_files f ON f.org_id = s.org_id AND f.run_id = s.run_id AND f.step_key = s.step_key
    WHERE ${isCopied} AND s.status = 'succeeded' AND f.size_bytes IS NOT NULL
    RETURNING id`);
  for (const { id } of files)
    await tx.execute(sql`
      INSERT INTO app.workflow_run_file_chunks (org_id, run_id, file_id, number, data)
      SELECT c.org_id, ${toRunId}, c.file_id, c.number, c.data FROM app.workflow_run_file_chunks c
      WHERE c.org_id = ${tx.orgId} AND c.run_id = ${fromRunId} AND c.file_id = ${id}`);
}

/** `loop` null: the step is copied as it is, with all below it. Else it goes on: the first `next` iterations without the `open` ones. */
interface CopiedStep {
  stepKey: string;
  loop: { next: number; open: readonly number[] } | null;
}

/**
 * Takes back a run that nobody could be woken for (R7). False means that a worker had it first, or that it is gone:
 * the delete and the claim meet on one row lock, so exactly one of them wins.
 */
export async function discardQueuedRun(tx: OrgTx, runId: string): Promise<boolean> {
  const { orgId, id, status, leaseToken } = workflowRuns;
  const rows = await tx
    .delete(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(id, runId), eq(status, 'queued'), eq(leaseToken, 0)))
    .returning({ id });
  return rows.length > 0;
}

export interface StoredStep {
  stepKey: string;
  type: string;
  status: StepStatus;
  attempt: number;
  input: unknown;
  output: unknown;
  error: unknown;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** The recorded steps of a run, or of these keys only, in the order they started. */
export async function loadSteps(
  db: Database,
  orgId: string,
  runId: string,
  stepKeys?: readonly string[],
): Promise<StoredStep[]> {
  assertRunId(orgId, runId);
  const rows = await queryHot<StoredStep & { inputBlob: Buffer | null; outputBlob: Buffer | null }>(db, LOAD_STEPS, [
    orgId,
    runId,
    stepKeys ?? null,
  ]);
  const steps: StoredStep[] = [];
  // One after another: opened at once, all of them would be in memory twice.
  for (const { inputBlob, outputBlob, ...step } of rows) {
    const [input, output] = [await readValue(step.input, inputBlob), await readValue(step.output, outputBlob)];
    steps.push({ ...step, input, output });
  }
  return steps;
}

/** The recorded steps that have not ended, without their values. */
export async function loadOpenSteps(
  db: Database,
  orgId: string,
  runId: string,
): Promise<Pick<StoredStep, 'stepKey' | 'type' | 'attempt'>[]> {
  assertRunId(orgId, runId);
  return await queryHot(db, LOAD_OPEN_STEPS, [orgId, runId]);
}

/**
 * Runs that need a worker and seem to have none: looks at up to `limit` of them; none while another sweeper is at it. A run
 * answered is not answered again for 10 s. And the held runs of up to `limit` organizations, or behind as many runs that have
 * ended, for which there is room.
 */
export async function findStuckRuns(db: Database, limit: number): Promise<{ orgId: string; runId: string }[]> {
  const given = await giveOnLeftPlaces(db, limit);
  const admitted = await admitHeldRuns(db, await findOrgsWithHeldRuns(db, limit));
  // At last: what it answers is put off, so nothing may fail behind it.
  const { rows } = await db.pool.query<{ orgId: string; runId: string }>(
    'SELECT org_id AS "orgId", id AS "runId" FROM sys.stuck_runs($1)',
    [limit],
  );
  return [...rows, ...given, ...admitted];
}

/** For runs that were found but could not be woken: the next sweep finds them again. */
export async function putBackStuckRuns(db: Database, runs: readonly { orgId: string; runId: string }[]): Promise<void> {
  for (const [orgId, ofOrg] of Map.groupBy(runs, (run) => run.orgId)) {
    const runIds = JSON.stringify(ofOrg.map(({ runId }) => runId));
    await withOrg(db, orgId, (tx) =>
      tx.execute(sql`UPDATE app.workflow_runs r SET next_sweep_at = now()
        FROM jsonb_array_elements_text(${runIds}::jsonb) AS found (id)
        WHERE r.org_id = ${orgId} AND r.id = found.id::uuid AND r.next_sweep_at IS NOT NULL`),
    );
  }
}

function assertRunId(orgId: string, runId: string): void {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
}

function jsonb(value: unknown): SQL {
  return sql`${toJsonText(value)}::jsonb`;
}

const LOAD_STEPS = {
  name: 'load-steps',
  text: `SELECT step_key AS "stepKey", type, status, attempt, input, input_blob AS "inputBlob", output,
      output_blob AS "outputBlob", error, started_at AS "startedAt", finished_at AS "finishedAt"
    FROM app.load_steps($1::uuid, $2::uuid, $3::text[])`,
};
const LOAD_OPEN_STEPS = {
  name: 'load-open-steps',
  text: 'SELECT step_key AS "stepKey", type, attempt FROM app.load_open_steps($1::uuid, $2::uuid)',
};
