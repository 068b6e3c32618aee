import { runWriteBatch } from '@millrace/shared/metrics';
import { openBatches, perDatabase, toArrayText } from './batches.ts';
import { type Database, queryHot } from './connect.ts';
import { isDatabaseTransient } from './failures.ts';
import type { ClaimedRun, RecordOutcome } from './run-ownership.ts';

/**
 * Claims and records of all runs of a process on their way to the database: what is due at the same moment shares a call and a
 * commit, also when some of it is claims and some records (docs/adr/0013-batched-run-writes.md).
 */

export type ClaimRow = Omit<ClaimedRun, 'orgId' | 'runId' | 'leaseToken'> & {
  number: number;
  outcome: 'claimed' | 'busy' | 'notDue' | 'held';
  leaseToken: string;
  nextAttemptAt: Date | null;
};

export interface ClaimAnswer {
  /** Null: there is no such run that could be claimed some time. */
  row: ClaimRow | null;
  admitted: readonly string[];
}

/** Sends the JSON text of a claim. */
export async function sendClaim(db: Database, text: string): Promise<ClaimAnswer> {
  return (await writes(db).send({ call: 'claim', text })) as ClaimAnswer;
}

/** Sends the JSON text of a record (record-text.ts). */
export async function sendRecord(db: Database, text: string): Promise<RecordOutcome> {
  return (await writes(db).send({ call: 'record', text })) as RecordOutcome;
}

interface Write {
  call: 'claim' | 'record';
  text: string;
}

const writes = perDatabase<Write, ClaimAnswer | RecordOutcome>((db) =>
  openBatches({
    async call(items) {
      const textsOf = (call: Write['call']) => items.filter((item) => item.call === call).map(({ text }) => text);
      const answers = await write(db, { claims: textsOf('claim'), records: textsOf('record') });
      const next = { claim: answers.claims.values(), record: answers.records.values() };
      return items.map(({ call }) => next[call].next().value as ClaimAnswer | RecordOutcome);
    },
    weigh: ({ text }) => text.length,
    isTransient: isDatabaseTransient,
  }),
);

interface Answers {
  claims: ClaimAnswer[];
  records: RecordOutcome[];
}

async function write(db: Database, { claims, records }: { claims: string[]; records: string[] }): Promise<Answers> {
  if (claims.length > 0) runWriteBatch.observe({ call: 'claim' }, claims.length);
  if (records.length > 0) runWriteBatch.observe({ call: 'record' }, records.length);
  if (claims.length === 0) {
    const rows = await queryHot<{ outcomes: RecordOutcome[] }>(db, RECORD, [toArrayText(records)]);
    return { claims: [], records: rows[0]?.outcomes ?? [] };
  }
  const claimValues = [toArrayText(claims), db.admission.window];
  if (records.length === 0)
    return { claims: toClaims(claims.length, await queryHot<Row>(db, CLAIM, claimValues)), records: [] };
  const rows = await queryHot<Row & { outcomes: RecordOutcome[] | null }>(db, WRITE, [
    ...claimValues,
    toArrayText(records),
  ]);
  const [recorded, ...claimed] = rows;
  return { claims: toClaims(claims.length, claimed), records: recorded?.outcomes ?? [] };
}

type Row = (ClaimRow & { admitted: null }) | { number: number; outcome: 'admitted'; admitted: string[] };

function toClaims(count: number, rows: readonly Row[]): ClaimAnswer[] {
  const answers: ClaimAnswer[] = Array.from({ length: count }, () => ({ row: null, admitted: [] }));
  for (const { admitted, ...row } of rows) {
    const answer = answers[row.number - 1];
    if (answer === undefined) continue;
    if (row.outcome === 'admitted') answer.admitted = admitted ?? [];
    else answer.row = row;
  }
  return answers;
}

const COLUMNS = Object.entries({
  ...{ number: 'number', outcome: 'outcome', now_ms: 'nowMs', workflow_id: 'workflowId', version: 'version' },
  ...{ state: 'state', input: 'input', trigger_type: 'triggerType', lease_token: 'leaseToken' },
  ...{ lost_claims: 'lostClaims', attempt_count: 'attemptCount', max_attempts: 'maxAttempts' },
  ...{ next_attempt_at: 'nextAttemptAt', created_at: 'createdAt', started_at: 'startedAt' },
  ...{ has_signals: 'hasSignals', is_counted: 'isCounted', has_place: 'hasPlace', admitted: 'admitted' },
});
const CLAIMED = COLUMNS.map(([column, name]) => `${column} AS "${name}"`).join(', ');
const CLAIM = { name: 'claim-runs', text: `SELECT ${CLAIMED} FROM app.claim_runs($1::jsonb, $2::integer)` };
const OUTCOMES = 'array_agg(r.outcome ORDER BY r.number) AS outcomes';
const RECORD = { name: 'record-runs', text: `SELECT ${OUTCOMES} FROM app.record_runs($1::jsonb) AS r` };
/** A row with the outcomes of all records, then the claims: the parts of a UNION ALL are carried out in their order. */
const WRITE = {
  name: 'write-runs',
  text: `SELECT ${OUTCOMES}, ${COLUMNS.map(([, name]) => `NULL AS "${name}"`).join(', ')} FROM app.record_runs($3::jsonb) AS r
    UNION ALL SELECT NULL, ${CLAIMED} FROM app.claim_runs($1::jsonb, $2::integer)`,
};
