import type { Run } from '@millrace/shared/contracts/runs';
import { openBatches, perDatabase, toArrayText } from './batches.ts';
import { queryHot } from './connect.ts';
import { isDatabaseTransient } from './failures.ts';
import { toJsonText } from './json-text.ts';
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
  | { outcome: 'accepted'; run: Run }
  /** Nothing was stored: the published version is this one. */
  | { outcome: 'version'; version: number }
  | { outcome: 'gone' | 'unpublished' | 'disabled' | 'taken' };

/**
 * Stores a queued run unless its workflow forbids it. Wake a worker afterwards. Runs of many requests may share one round
 * trip. Throws UnstorableJsonError for text that PostgreSQL cannot hold.
 */
export async function acceptRun(db: Parameters<typeof accepts>[0], newRun: NewManualRun): Promise<Acceptance> {
  assertUuid(newRun.orgId, 'orgId');
  assertUuid(newRun.workflowId, 'workflowId');
  assertUuid(newRun.runId, 'runId');
  const { answer, ...rest } = newRun;
  const kept = answer && { ...answer, requestHash: answer.requestHash.toString('hex') };
  const { outcome, version, run } = await accepts(db).send(toJsonText({ ...rest, answer: kept }) ?? '');
  if (outcome === 'accepted') return { outcome, run };
  return outcome === 'version' ? { outcome, version } : { outcome };
}

interface Row {
  number: number;
  outcome: Acceptance['outcome'];
  version: number;
  run: Run;
}

const accepts = perDatabase((db) =>
  openBatches<string, Row>({
    async call(items) {
      const rows = await queryHot<Row>(db, ACCEPT, [toArrayText(items)]);
      const answers: Row[] = [];
      for (const row of rows) answers[row.number - 1] = row;
      return answers;
    },
    weigh: (text) => text.length,
    isTransient: isDatabaseTransient,
  }),
);

const ACCEPT = {
  name: 'accept-runs',
  text: 'SELECT number, outcome, version, run FROM app.accept_runs($1::jsonb)',
};
