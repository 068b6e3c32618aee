import { and, eq, type SQL, sql } from 'drizzle-orm';
import { admitHeldRuns, findOrgsWithHeldRuns, queueIsFull, readQueueRoom } from './admission.ts';
import { type Database, DEFAULT_ADMISSION, queryHot } from './connect.ts';
import { toJsonText } from './json-text.ts';
import { type StepStatus, workflowRuns } from './schema/runs.ts';
import type { OrgTx } from './tenant.ts';
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
 * Copies the rows of these steps of the run itself, and of the iterations of those that are loops, to another run. Steps of
 * `onFailure` are no part of it.
 */
export async function copySteps(
  tx: OrgTx,
  { fromRunId, toRunId, stepIds }: { fromRunId: string; toRunId: string; stepIds: readonly string[] },
): Promise<void> {
  await tx.execute(sql`
    INSERT INTO app.workflow_run_steps
      (org_id, run_id, step_key, type, status, attempt, input, output, error, started_at, finished_at, ordinal)
    SELECT s.org_id, ${toRunId}, s.step_key, s.type, s.status, s.attempt, s.input, s.output, s.error, s.started_at,
      s.finished_at, s.ordinal
    FROM app.workflow_run_steps s
    WHERE s.org_id = ${tx.orgId} AND s.run_id = ${fromRunId}
      AND split_part(s.step_key, '.', 1) IN (SELECT jsonb_array_elements_text(${JSON.stringify(stepIds)}::jsonb))
      AND s.step_key ~ '^[^.]+($|\\.[0-9])'
      AND s.finished_at IS NOT NULL`);
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
  return await queryHot<StoredStep>(db, LOAD_STEPS, [orgId, runId, stepKeys ?? null]);
}

/**
 * Runs that need a worker and seem to have none: looks at up to `limit` of them; none while another sweeper is at it. A run
 * answered is not answered again for 10 s. And the held runs of up to `limit` organizations, or behind as many runs that have
 * ended, for which there is room.
 */
export async function findStuckRuns(db: Database, limit: number): Promise<{ orgId: string; runId: string }[]> {
  const { rows } = await db.pool.query<{ orgId: string; runId: string }>(
    'SELECT org_id AS "orgId", id AS "runId" FROM sys.stuck_runs($1)',
    [limit],
  );
  const given = await giveOnLeftPlaces(db, limit);
  return [...rows, ...given, ...(await admitHeldRuns(db, await findOrgsWithHeldRuns(db, limit)))];
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
  text: `SELECT step_key AS "stepKey", type, status, attempt, input, output, error, started_at AS "startedAt",
      finished_at AS "finishedAt"
    FROM app.load_steps($1::uuid, $2::uuid, $3::text[])`,
};
