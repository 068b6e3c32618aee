import type { Run } from '@millrace/shared/contracts/runs';
import { openBatches, toArrayText } from './batches.ts';
import { queryHot } from './connect.ts';
import { isDatabaseTransient } from './failures.ts';
import { toJsonText } from './json-text.ts';
import { mayHaveCommitted } from './lost-backends.ts';
import { noteOldestQueued, oldestQueued } from './oldest-queued.ts';
import { perDatabase } from './per-database.ts';
import { readQueueState, watchQueue } from './queue-limits.ts';
import { againWhenRolledBack } from './tenant.ts';
import { assertUuid } from './uuid.ts';

/** A run that somebody asks for, of the version whose attempts and input schema the caller knows. */
export interface NewManualRun {
  orgId: string;
  workflowId: string;
  runId: string;
  /** 0: not known yet, the answer will say. */
  version: number;
  maxAttempts: number;
  /** Any JSON value. */
  input: unknown;
  userId: string;
  /** Kept with the run: neither is stored without the other. */
  answer?: { key: string; scope: string; requestHash: Buffer };
}

export type Acceptance =
  /** Held: wake nobody, it is admitted when its turn comes. */
  | { outcome: 'accepted'; run: Run; isHeld: boolean }
  /** Nothing was stored: the published version is this one. */
  | { outcome: 'version'; version: number }
  /** `full`: the organization has as many queued runs as it may. */
  | { outcome: 'gone' | 'unpublished' | 'disabled' | 'taken' | 'full' };

/**
 * Stores a queued run unless its workflow or a limit forbids it. Wake a worker afterwards, unless it is held. Runs of many requests may share one round
 * trip. Throws UnstorableJsonError for text that PostgreSQL cannot hold.
 */
export async function acceptRun(db: Parameters<typeof accepts>[0], newRun: NewManualRun): Promise<Acceptance> {
  assertUuid(newRun.orgId, 'orgId');
  assertUuid(newRun.workflowId, 'workflowId');
  assertUuid(newRun.runId, 'runId');
  const { isFull, isExact } = await readQueueState(db, newRun.orgId);
  if (isFull && !isExact) return { outcome: 'full' };
  const { answer, ...rest } = newRun;
  const kept = answer && { ...answer, requestHash: answer.requestHash.toString('hex') };
  const text = toJsonText({ ...rest, answer: kept, queuedFrom: oldestQueued(db, newRun.orgId) }) ?? '';
  const { outcome, version, run, heldBy, queuedFrom } = await accepts(db).send(text);
  noteOldestQueued(db, newRun.orgId, queuedFrom);
  if (heldBy !== null) watchQueue(db, newRun.orgId);
  if (outcome === 'accepted') return { outcome, run, isHeld: heldBy !== null };
  return outcome === 'version' ? { outcome, version } : { outcome };
}

interface Row {
  number: number;
  outcome: Acceptance['outcome'];
  version: number;
  run: Run;
  heldBy: string | null;
  queuedFrom: string | null;
}

const accepts = perDatabase((db) =>
  openBatches<string, Row>({
    async call(items) {
      const { window, mostQueuedRuns } = db.admission;
      const values = [toArrayText(items), window, mostQueuedRuns];
      const rows = await againWhenRolledBack(() => queryHot<Row>(db, ACCEPT, values));
      const answers: Row[] = [];
      for (const row of rows) answers[row.number - 1] = row;
      return answers;
    },
    weigh: (text) => text.length,
    isTransient: (error) => isDatabaseTransient(error) || mayHaveCommitted(error),
  }),
);

const ACCEPT = {
  name: 'accept-runs',
  text: `SELECT number, outcome, version, run, held_by AS "heldBy", queued_from AS "queuedFrom"
    FROM app.accept_runs($1::jsonb, $2::integer, $3::integer)`,
};
