import { type Database, queryHot } from './connect.ts';
import { isDatabaseUnavailable } from './failures.ts';
import { toJsonText } from './json-text.ts';
import { noteOldestQueued, oldestQueued } from './oldest-queued.ts';
import { readValue } from './run-blobs.ts';
import type { RunRef } from './run-events.ts';
import type { RunStatus } from './schema/runs.ts';
import { assertUuid } from './uuid.ts';

/** Runs that a step of another run starts, and what the end of one means for the other. */

/** How many runs may be above another: what calls itself without an end stops there. */
export const MAX_DEPTH = 10;

export interface NewChildRun {
  /** Of the run that starts it, and the key of its step. */
  parent: RunRef;
  stepKey: string;
  runId: string;
  workflowId: string;
  /** Null: the version that is published now. */
  pinnedVersion: number | null;
  /** The version whose attempts and input schema the caller knows; 0: none yet, the answer will say. */
  version: number;
  maxAttempts: number;
  input: unknown;
  isAwaited: boolean;
}

export interface ChildRun {
  runId: string;
  status: RunStatus;
  /** Null unless it succeeded. */
  output: unknown;
  error: { code: string; message: string } | null;
}

export type ChildStart =
  /** `known`: the step has started it before. */
  | { outcome: 'started' | 'known'; child: ChildRun; isHeld: boolean }
  /** Nothing was stored: it is to be this version. */
  | { outcome: 'version'; version: number }
  /** `fenced`: the step does not run any more. */
  | { outcome: 'gone' | 'unpublished' | 'disabled' | 'tooDeep' | 'fenced' };

/**
 * Starts the run of a step exactly once, however often it is called and by whom. Wake a worker after `started`, unless the run
 * is held: then it waits for its turn among those of its organization.
 */
export async function startChildRun(db: Database, { parent, stepKey, ...child }: NewChildRun): Promise<ChildStart> {
  assertUuid(parent.orgId, 'orgId');
  assertUuid(parent.runId, 'runId');
  const asked = toJsonText({ ...child, maxDepth: MAX_DEPTH, queuedFrom: oldestQueued(db, parent.orgId) });
  const values = [parent.orgId, parent.runId, stepKey, asked, db.admission.window];
  const [row] = await queryHot<StartRow>(db, START, values);
  if (!row) throw new Error('start_child_run answered no row');
  const { outcome, version, isHeld, queuedFrom, ...started } = row;
  noteOldestQueued(db, parent.orgId, queuedFrom);
  if (outcome === 'started' || outcome === 'known') return { outcome, child: await readChild(started), isHeld };
  return outcome === 'version' ? { outcome, version } : { outcome };
}

/** What became of the runs that these steps have started, by step key; none for one that was deleted. */
export async function readChildRuns(
  db: Database,
  { orgId, runId }: RunRef,
  stepKeys: readonly string[],
): Promise<Map<string, ChildRun>> {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
  const rows = await queryHot<ChildRow & { stepKey: string }>(db, READ, [orgId, runId, stepKeys]);
  return new Map(await Promise.all(rows.map(async ({ stepKey, ...row }) => [stepKey, await readChild(row)] as const)));
}

type ChildRow = ChildRun & { outputBlob: Buffer | null };
type StartRow = ChildRow & {
  outcome: ChildStart['outcome'];
  version: number;
  isHeld: boolean;
  queuedFrom: string | null;
};

async function readChild({ outputBlob, ...child }: ChildRow): Promise<ChildRun> {
  return { ...child, output: await readValue(child.output, outputBlob) };
}

/** `signalled`: its owner, or some worker, is to be told. `cancelled`: it has ended here and now. */
export interface SettledRun extends RunRef {
  outcome: 'signalled' | 'cancelled';
  workflowId: string;
  attemptCount: number;
  durationMs: number;
  ageMs: number;
}

/**
 * Passes on what the end of this run, or of a step of it, means for its parent and its children, and for theirs in turn. To be
 * called after such a commit; what is left behind is found by `settleStuckChildEvents`. Answers whom to wake.
 */
export async function settleChildEvents(db: Database, { orgId, runId }: RunRef): Promise<SettledRun[]> {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
  const settled: SettledRun[] = [];
  const pending = [runId];
  for (let next = pending.pop(); next !== undefined; ) {
    const [row] = await queryHot<Omit<SettledRun, 'outcome'> & { outcome: SettledRun['outcome'] | null }>(db, SETTLE, [
      orgId,
      next,
    ]);
    if (row?.outcome) settled.push({ ...row, orgId, outcome: row.outcome });
    if (row?.outcome === 'cancelled') pending.push(row.runId);
    if (!row) next = pending.pop();
  }
  return settled;
}

/**
 * Passes on what nobody has within a second: for at most `limit` events, by one caller at a time. `onSettled` hears of each run
 * to wake. A run that fails holds up no other; the first error is thrown at the end.
 */
export async function settleStuckChildEvents(
  db: Database,
  limit: number,
  onSettled: (run: SettledRun) => Promise<void>,
): Promise<void> {
  const { rows } = await db.pool.query<RunRef>(
    'SELECT org_id AS "orgId", run_id AS "runId" FROM sys.stuck_child_events($1)',
    [limit],
  );
  const failures: unknown[] = [];
  for (const run of rows) {
    try {
      for (const settled of await settleChildEvents(db, run)) await onSettled(settled);
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

const START = {
  name: 'start-child-run',
  text: `SELECT outcome, version, run_id AS "runId", status, output, output_blob AS "outputBlob", error, is_held AS "isHeld",
      queued_from AS "queuedFrom"
    FROM app.start_child_run($1::uuid, $2::uuid, $3::text, $4::jsonb, $5::integer)`,
};
const READ = {
  name: 'read-child-runs',
  text: `SELECT step_key AS "stepKey", run_id AS "runId", status, output, output_blob AS "outputBlob", error
    FROM app.read_child_runs($1::uuid, $2::uuid, $3::text[])`,
};
const SETTLE = {
  name: 'settle-child-event',
  text: `SELECT outcome, run_id AS "runId", workflow_id AS "workflowId", attempt_count AS "attemptCount",
      duration_ms AS "durationMs", age_ms AS "ageMs"
    FROM app.settle_child_event($1::uuid, $2::uuid)`,
};
