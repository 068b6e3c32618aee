import { type Database, queryHot } from './connect.ts';
import { readValue } from './run-blobs.ts';
import type { RunRef } from './run-events.ts';
import { assertUuid } from './uuid.ts';

/** What a run answers whoever started it, as its first `respond` said. */
export interface RespondOutput {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

export type RunAnswer =
  | ({ type: 'respond' } & RespondOutput)
  /** It ended without a `respond`. `output` is null unless it succeeded. */
  | { type: 'end'; status: 'succeeded' | 'failed' | 'cancelled'; output: unknown };

/** What these runs have answered, in the order asked and in one round trip; null for one that has not, or is gone. */
export async function readRunAnswers(db: Database, runs: readonly RunRef[]): Promise<(RunAnswer | null)[]> {
  for (const { orgId, runId } of runs) {
    assertUuid(orgId, 'orgId');
    assertUuid(runId, 'runId');
  }
  const asked = JSON.stringify(runs.map(({ orgId, runId }) => ({ orgId, runId })));
  const answers: (RunAnswer | null)[] = runs.map(() => null);
  for (const { number, status, hasAnswer, value, blob } of await queryHot<Row>(db, READ_RUN_ANSWERS, [asked])) {
    const output = await readValue(value, blob);
    answers[number - 1] = hasAnswer
      ? { type: 'respond', ...(output as RespondOutput) }
      : { type: 'end', status, output };
  }
  return answers;
}

interface Row {
  number: number;
  status: 'succeeded' | 'failed' | 'cancelled';
  hasAnswer: boolean;
  value: unknown;
  blob: Buffer | null;
}

const READ_RUN_ANSWERS = {
  name: 'read-run-answers',
  text: 'SELECT number, status, has_answer AS "hasAnswer", value, blob FROM app.read_run_answers($1::jsonb)',
};
