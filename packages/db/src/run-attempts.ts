import { type Database, queryHot } from './connect.ts';
import { placeValue, readValue } from './run-blobs.ts';
import { assertUuid } from './uuid.ts';

/**
 * Attempts of a run that its owner offers to all workers. A row says who has one; the first to write it decides. All times are
 * PostgreSQL's. What became of an attempt is stored here only until its owner has recorded it.
 */

export interface OfferedAttempt {
  orgId: string;
  runId: string;
  stepKey: string;
  attempt: number;
  /** Of the owner that offers it. */
  leaseToken: number;
}

/** An attempt in the hands of one worker. */
export interface HeldAttempt extends OfferedAttempt {
  /** New for each taking. */
  executorId: string;
  leaseMs: number;
}

export interface TakenAttempt {
  workflowId: string;
  version: number;
  /** As it stands in the step's row: without credentials. */
  input: unknown;
  /** It may be executed for so long, counted from before the call. */
  remainingMs: number;
}

/** Null: it is not to be executed, or somebody else has it. */
export async function takeAttempt(db: Database, held: HeldAttempt): Promise<TakenAttempt | null> {
  const { stepKey, attempt, leaseToken, executorId, leaseMs } = held;
  const rows = await queryHot<TakenAttempt & { inputBlob: Buffer | null }>(db, TAKE, [
    ...idsOf(held),
    ...[stepKey, attempt, leaseToken, executorId, leaseMs],
  ]);
  const [row] = rows;
  if (row === undefined) return null;
  const { inputBlob, ...taken } = row;
  return { ...taken, input: await readValue(taken.input, inputBlob) };
}

/** Keeps attempts that are under way. Answers for how long each may go on, in the order asked; null: stop. */
export async function keepAttempts(db: Database, held: readonly HeldAttempt[]): Promise<(number | null)[]> {
  for (const one of held) idsOf(one);
  const rows = await queryHot<{ number: number; remainingMs: number }>(db, KEEP, [JSON.stringify(held)]);
  const answers: (number | null)[] = held.map(() => null);
  for (const { number, remainingMs } of rows) answers[number - 1] = remainingMs;
  return answers;
}

/** Stores how an attempt ended; may be called again. Its owner does not read it once it has taken the attempt for lost. */
export async function endAttempt(db: Database, held: HeldAttempt, outcome: object): Promise<void> {
  const placed = await placeValue(outcome);
  const value = placed && 'blob' in placed ? [null, placed.blob.data] : [placed?.text ?? null, null];
  await queryHot(db, END, [...idsOf(held), held.stepKey, held.attempt, held.executorId, ...value]);
}

/** Gives an attempt up that may have had its effect: to its owner the worker is lost, at once. */
export async function abandonAttempt(db: Database, held: HeldAttempt): Promise<void> {
  await queryHot(db, END, [...idsOf(held), held.stepKey, held.attempt, held.executorId, null, null]);
}

type AttemptKey = Pick<OfferedAttempt, 'stepKey' | 'attempt'>;

export interface Collecting {
  orgId: string;
  runId: string;
  leaseToken: number;
  /** Their rows are forgotten: what came of them is recorded. */
  done: readonly AttemptKey[];
  /** Are taken back, unless somebody has them. */
  withdrawn: readonly AttemptKey[];
  mostEnded: number;
}

/**
 * `lost`: its worker is dead, and can store nothing any more. `withdrawn`: nobody had it, and nobody can get it now.
 */
export type CollectedAttempt = AttemptKey &
  ({ status: 'ended'; outcome: unknown } | { status: 'taken' | 'lost' | 'withdrawn' });

/** What became of the attempts that this owner has offered, as far as somebody or it itself took them. May be called again. */
export async function collectAttempts(db: Database, collecting: Collecting): Promise<CollectedAttempt[]> {
  const { leaseToken, done, withdrawn, mostEnded } = collecting;
  const values = [...idsOf(collecting), leaseToken, JSON.stringify(done), JSON.stringify(withdrawn), mostEnded];
  const rows = await queryHot<CollectedRow>(db, COLLECT, values);
  const collected: CollectedAttempt[] = [];
  // One after another: opened at once, all of them would be in memory twice.
  for (const { stepKey, attempt, status, outcome, outcomeBlob } of rows) {
    const key = { stepKey, attempt };
    if (status === 'ended') collected.push({ ...key, status, outcome: await readValue(outcome, outcomeBlob) });
    else collected.push({ ...key, status });
  }
  return collected;
}

/** Forgets all attempts that this owner, or one before it, has offered. */
export async function forgetAttempts(
  db: Database,
  run: Pick<Collecting, 'orgId' | 'runId' | 'leaseToken'>,
): Promise<void> {
  await queryHot(db, FORGET, [...idsOf(run), run.leaseToken]);
}

interface CollectedRow {
  stepKey: string;
  attempt: number;
  status: CollectedAttempt['status'];
  outcome: unknown;
  outcomeBlob: Buffer | null;
}

function idsOf({ orgId, runId }: { orgId: string; runId: string }): [string, string] {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
  return [orgId, runId];
}

const TAKE = {
  name: 'take-attempt',
  text: `SELECT workflow_id AS "workflowId", version, input, input_blob AS "inputBlob", remaining_ms AS "remainingMs"
    FROM app.take_attempt($1::uuid, $2::uuid, $3::text, $4::integer, $5::bigint, $6::uuid, $7::integer)`,
};
const KEEP = {
  name: 'keep-attempts',
  text: 'SELECT number, remaining_ms AS "remainingMs" FROM app.keep_attempts($1::jsonb)',
};
const END = {
  name: 'end-attempt',
  text: 'SELECT app.end_attempt($1::uuid, $2::uuid, $3::text, $4::integer, $5::uuid, $6::jsonb, $7::bytea)',
};
const COLLECT = {
  name: 'collect-attempts',
  text: `SELECT step_key AS "stepKey", attempt, status, outcome, outcome_blob AS "outcomeBlob"
    FROM app.collect_attempts($1::uuid, $2::uuid, $3::bigint, $4::jsonb, $5::jsonb, $6::integer)`,
};
const FORGET = { name: 'forget-attempts', text: 'SELECT app.forget_attempts($1::uuid, $2::uuid, $3::bigint)' };
