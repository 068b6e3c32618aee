import { runWriteBatch } from '@millrace/shared/metrics';
import { openBatches, toArrayText } from './batches.ts';
import { type Database, queryHot } from './connect.ts';
import { isDatabaseTransient } from './failures.ts';
import { perDatabase } from './per-database.ts';
import { toRecordText } from './record-text.ts';
import type { RunStatus, StepStatus } from './schema/runs.ts';
import { assertUuid } from './uuid.ts';

/** What the owner of a run does with its row: claim, record, keep. Rows are the truth; all times are PostgreSQL's. */

export interface ClaimedRun {
  orgId: string;
  runId: string;
  workflowId: string;
  version: number;
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
  /** Whether somebody has something to say to the run: see readSignals. */
  hasSignals: boolean;
  /** It takes one of its organization's places: when it ends or pauses, admit others. */
  isCounted: boolean;
  /** It takes one of the places of its workflow's `settings.concurrency`. */
  hasPlace: boolean;
}

export type Claim = ClaimOutcome & {
  /** Runs of the same organization that this claim made room for: wake a worker for each. */
  admitted: readonly string[];
};

type ClaimOutcome =
  | { status: 'claimed'; run: ClaimedRun }
  /** Another worker holds the lease. */
  | { status: 'busy' }
  /** Is due in so many milliseconds, or (null) waits for something that is not a time. */
  | { status: 'notDue'; dueInMs: number | null }
  /** Its organization may run no more now: it will be woken again. */
  | { status: 'held' }
  /** Ended, discarded, or of another organization than the caller believes. */
  | { status: 'gone' };

/** Becomes the run's owner for `leaseMs` when it is due, has something unread, or its owner's lease has run out. */
export async function claimRun(db: Database, claim: { orgId: string; runId: string; leaseMs: number }): Promise<Claim> {
  const { orgId, runId, leaseMs } = claim;
  assertRunId(orgId, runId);
  const { row, admitted } = await claims(db).send(JSON.stringify({ orgId, runId, leaseMs }));
  return { ...readClaim(claim, row), admitted };
}

function readClaim({ orgId, runId }: { orgId: string; runId: string }, row: ClaimRow | null): ClaimOutcome {
  if (row === null) return { status: 'gone' };
  const { number: _, outcome, leaseToken, nextAttemptAt, ...rest } = row;
  if (outcome === 'busy' || outcome === 'held') return { status: outcome };
  // By the database's clock alone: that of this machine may be wrong.
  if (outcome === 'notDue') return { status: 'notDue', dueInMs: nextAttemptAt && nextAttemptAt.getTime() - rest.nowMs };
  return { status: 'claimed', run: { orgId, runId, ...rest, leaseToken: Number(leaseToken) } };
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
  /** Names this record: sent again, because its answer was lost, it changes nothing twice. */
  recordId: string;
  orgId: string;
  runId: string;
  workflowId: string;
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
  /** What happened, for the timeline. */
  entries?: readonly object[];
  /** Numbers of the signals that this transition has taken in: they and all before them are read now. */
  signals?: readonly number[];
  /**
   * True gives the run up: whoever comes next may claim it once `nextAttemptAt` has come, without counting a lost lease. A status
   * other than running gives it up anyhow.
   */
  release: boolean;
}

/** `unread`: recorded, but the run is not given up because it has unread signals. `fenced`: nothing was written. */
export type RecordOutcome = 'recorded' | 'unread' | 'fenced';

/**
 * Writes one transition (R1) as a whole: run row, step rows, timeline, signals read; or nothing and 'fenced' when another
 * owner has taken over or the run has ended. A step that has ended stays as it is (R2). Unless given up, the lease
 * starts anew. May be called again with the same record when its answer was lost. Large values are stored beside their rows.
 * Throws UnstorableJsonError before anything is sent. Records of many runs may share one round trip.
 */
export async function recordRun(db: Database, record: RunRecord): Promise<RecordOutcome> {
  assertRunId(record.orgId, record.runId);
  return await records(db).send(await toRecordText(record));
}

export interface HeldLease {
  orgId: string;
  workflowId: string;
  runId: string;
  leaseToken: number;
  leaseMs: number;
}

/** Starts the leases anew; answers in the order asked. Not the owner: somebody else is, or the run has ended; stop working on it. */
export async function heartbeatRuns(
  db: Database,
  leases: readonly HeldLease[],
): Promise<{ isOwner: boolean; hasSignals: boolean }[]> {
  for (const { orgId, runId } of leases) assertRunId(orgId, runId);
  const rows = await queryHot<{ number: number; isOwner: boolean; hasSignals: boolean | null }>(db, HEARTBEAT, [
    JSON.stringify(leases),
  ]);
  const answers = leases.map(() => ({ isOwner: false, hasSignals: false }));
  for (const { number, isOwner, hasSignals } of rows) {
    answers[number - 1] = { isOwner, hasSignals: hasSignals ?? false };
  }
  return answers;
}

export interface RunSignal {
  number: number;
  type: 'cancel' | 'decide' | 'resume';
  stepKey: string | null;
  payload: unknown;
}

/** What was said to the run and not read yet, in the order it was said; at most 100. It stays unread until recorded as read. */
export async function readSignals(db: Database, orgId: string, runId: string): Promise<RunSignal[]> {
  assertRunId(orgId, runId);
  return await queryHot<RunSignal>(db, READ_SIGNALS, [orgId, runId]);
}

type ClaimRow = Omit<ClaimedRun, 'orgId' | 'runId' | 'leaseToken'> & {
  number: number;
  outcome: 'claimed' | 'busy' | 'notDue' | 'held';
  leaseToken: string;
  nextAttemptAt: Date | null;
};

interface ClaimAnswer {
  row: ClaimRow | null;
  admitted: readonly string[];
}

/** Measured with 12, 16, 20 and none: docs/adr/0013-batched-run-writes.md. */
const WORTH_A_CALL = 20;

const claims = perDatabase((db) =>
  openBatches<string, ClaimAnswer>({
    async call(items) {
      runWriteBatch.observe({ call: 'claim' }, items.length);
      type Row = (ClaimRow & { admitted: null }) | { number: number; outcome: 'admitted'; admitted: string[] };
      const rows = await queryHot<Row>(db, CLAIM, [toArrayText(items), db.admission.window]);
      const answers: ClaimAnswer[] = items.map(() => ({ row: null, admitted: [] }));
      for (const { admitted, ...row } of rows) {
        const answer = answers[row.number - 1];
        if (answer === undefined) continue;
        if (row.outcome === 'admitted') answer.admitted = admitted ?? [];
        else answer.row = row;
      }
      return answers;
    },
    weigh: (text) => text.length,
    worthACall: WORTH_A_CALL,
    isTransient: isDatabaseTransient,
  }),
);

const records = perDatabase((db) =>
  openBatches<string, RecordOutcome>({
    async call(items) {
      runWriteBatch.observe({ call: 'record' }, items.length);
      const rows = await queryHot<{ number: number; outcome: RecordOutcome }>(db, RECORD, [toArrayText(items)]);
      const answers: RecordOutcome[] = [];
      for (const { number, outcome } of rows) answers[number - 1] = outcome;
      return answers;
    },
    weigh: (text) => text.length,
    worthACall: WORTH_A_CALL,
    isTransient: isDatabaseTransient,
  }),
);

function assertRunId(orgId: string, runId: string): void {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
}

const CLAIM = {
  name: 'claim-runs',
  text: `SELECT number, outcome, now_ms AS "nowMs", workflow_id AS "workflowId", version, state, input,
      trigger_type AS "triggerType", lease_token AS "leaseToken", lost_claims AS "lostClaims",
      attempt_count AS "attemptCount", max_attempts AS "maxAttempts", next_attempt_at AS "nextAttemptAt",
      created_at AS "createdAt", started_at AS "startedAt", has_signals AS "hasSignals",
      is_counted AS "isCounted", has_place AS "hasPlace", admitted
    FROM app.claim_runs($1::jsonb, $2::integer)`,
};
const RECORD = { name: 'record-runs', text: 'SELECT number, outcome FROM app.record_runs($1::jsonb)' };
const HEARTBEAT = {
  name: 'heartbeat-runs',
  text: `SELECT number, is_owner AS "isOwner", has_signals AS "hasSignals" FROM app.heartbeat_runs($1::jsonb)`,
};
const READ_SIGNALS = {
  name: 'read-signals',
  text: 'SELECT number, type, step_key AS "stepKey", payload FROM app.read_signals($1::uuid, $2::uuid)',
};
