import { and, eq, type SQL, sql } from 'drizzle-orm';
import { type Database, queryHot } from './connect.ts';
import { toJsonText } from './json-text.ts';
import { type RunStatus, type StepStatus, workflowRuns } from './schema/runs.ts';
import type { OrgTx } from './tenant.ts';
import { assertUuid } from './uuid.ts';

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
}

/** Stores the accepted run, pinned to a published version of its own organization. Wake a worker after the commit. */
export async function insertQueuedRun(tx: OrgTx, run: NewRun): Promise<Run> {
  const { input, ...columns } = run;
  const rows = await tx
    .insert(workflowRuns)
    .values({ ...columns, orgId: tx.orgId, input: jsonb(input), nextSweepAt: sql`now() + interval '3 s'` })
    .returning();
  const stored = rows[0];
  if (!stored) throw new Error('the inserted run was not returned');
  return stored;
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

export interface ClaimedRun {
  orgId: string;
  runId: string;
  workflowId: string;
  version: number;
  definition: unknown;
  /** Null before the first record. */
  state: unknown;
  input: unknown;
  triggerType: string;
  /** Fences every write of this claim. */
  leaseToken: number;
  /** Leases lost in a row without progress, this takeover included. */
  lostClaims: number;
  attemptCount: number;
  maxAttempts: number;
  createdAt: Date;
  startedAt: Date;
  /** The database's clock at the claim, epoch milliseconds. */
  nowMs: number;
}

export type Claim =
  | { status: 'claimed'; run: ClaimedRun }
  /** Another worker holds the lease. */
  | { status: 'busy' }
  /** Waits for a time, or (null) for something that is not a time. */
  | { status: 'notDue'; nextAttemptAt: Date | null }
  /** Ended, discarded, or of another organization than the caller believes. */
  | { status: 'gone' };

/** Becomes the run's owner for `leaseMs` when it is due or its owner's lease has run out. All times are PostgreSQL's. */
export async function claimRun(db: Database, claim: { orgId: string; runId: string; leaseMs: number }): Promise<Claim> {
  const { orgId, runId, leaseMs } = claim;
  assertRunId(orgId, runId);
  const [row] = await queryHot<ClaimRow>(db, CLAIM, [orgId, runId, leaseMs]);
  if (!row) return { status: 'gone' };
  const { outcome, leaseToken, nextAttemptAt, ...rest } = row;
  if (outcome === 'busy') return { status: 'busy' };
  if (outcome === 'notDue') return { status: 'notDue', nextAttemptAt };
  return { status: 'claimed', run: { orgId, runId, ...rest, leaseToken: Number(leaseToken) } };
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

export interface StepRecord {
  stepKey: string;
  type: string;
  status: StepStatus;
  attempt: number;
  /** Absent: keeps what is stored. */
  input?: unknown;
  /** Absent is "none"; null is a step that returned null. */
  output?: unknown;
  error?: unknown;
  /** Absent: PostgreSQL's now(), once the step has started or ended. */
  startedAt?: Date;
  finishedAt?: Date;
}

export interface RunRecord {
  orgId: string;
  runId: string;
  leaseToken: number;
  leaseMs: number;
  status: RunStatus;
  /** Absent: keeps what is stored. */
  state?: unknown;
  nextAttemptAt: Date | null;
  /** The highest attempt of any step; never lowers what is stored. */
  attemptCount: number;
  output?: unknown;
  error?: unknown;
  /** Steps that changed. Of several records for one key the last wins. */
  steps: readonly StepRecord[];
  /**
   * True gives the run up: whoever comes next may claim it once `nextAttemptAt` has come, without counting a lost lease. A status
   * other than running gives it up anyhow.
   */
  release: boolean;
}

/**
 * Writes one transition (R1) in one round trip: run row and step rows together, or nothing and 'fenced' when another
 * owner has taken over or the run has ended. A step that has ended stays as it is (R2). Unless given up, the lease
 * starts anew. Throws UnstorableJsonError before anything is sent.
 */
export async function recordRun(db: Database, record: RunRecord): Promise<'recorded' | 'fenced'> {
  assertRunId(record.orgId, record.runId);
  const steps = [...new Map(record.steps.map((step) => [step.stepKey, step])).values()];
  const rows = await queryHot<{ done: boolean }>(db, RECORD, [
    record.orgId,
    record.runId,
    record.leaseToken,
    record.leaseMs,
    record.status,
    toJsonText(record.state),
    record.nextAttemptAt,
    record.attemptCount,
    toJsonText(record.output),
    toJsonText(record.error ?? undefined),
    steps.length > 0 ? toJsonText(steps) : null,
    record.release,
  ]);
  return rows[0]?.done ? 'recorded' : 'fenced';
}

/** Starts the lease anew. False: somebody else owns the run or it has ended; stop working on it. */
export async function heartbeatRun(
  db: Database,
  lease: { orgId: string; runId: string; leaseToken: number; leaseMs: number },
): Promise<boolean> {
  assertRunId(lease.orgId, lease.runId);
  const rows = await queryHot<{ done: boolean }>(db, HEARTBEAT, [
    lease.orgId,
    lease.runId,
    lease.leaseToken,
    lease.leaseMs,
  ]);
  return rows[0]?.done ?? false;
}

/**
 * Runs that need a worker and seem to have none. Looks at up to `limit` rows and answers at most as many; empty while
 * another sweeper is at it. A run answered is not answered again for 10 s.
 */
export async function findStuckRuns(db: Database, limit: number): Promise<{ orgId: string; runId: string }[]> {
  const { rows } = await db.pool.query<{ orgId: string; runId: string }>(
    'SELECT org_id AS "orgId", id AS "runId" FROM sys.stuck_runs($1)',
    [limit],
  );
  return rows;
}

type ClaimRow = Omit<ClaimedRun, 'orgId' | 'runId' | 'leaseToken'> & {
  outcome: 'claimed' | 'busy' | 'notDue';
  leaseToken: string;
  nextAttemptAt: Date | null;
};

function assertRunId(orgId: string, runId: string): void {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
}

function jsonb(value: unknown): SQL {
  return sql`${toJsonText(value)}::jsonb`;
}

const CLAIM = {
  name: 'claim-run',
  text: `SELECT outcome, now_ms AS "nowMs", workflow_id AS "workflowId", version, definition, state, input,
      trigger_type AS "triggerType", lease_token AS "leaseToken", lost_claims AS "lostClaims",
      attempt_count AS "attemptCount", max_attempts AS "maxAttempts", next_attempt_at AS "nextAttemptAt",
      created_at AS "createdAt", started_at AS "startedAt"
    FROM app.claim_run($1::uuid, $2::uuid, $3::integer)`,
};
const LOAD_STEPS = {
  name: 'load-steps',
  text: `SELECT step_key AS "stepKey", type, status, attempt, input, output, error, started_at AS "startedAt",
      finished_at AS "finishedAt"
    FROM app.load_steps($1::uuid, $2::uuid, $3::text[])`,
};
const RECORD = {
  name: 'record-run',
  text: 'SELECT app.record_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS done',
};
const HEARTBEAT = {
  name: 'heartbeat-run',
  text: 'SELECT app.heartbeat_run($1::uuid, $2::uuid, $3::bigint, $4::integer) AS done',
};
