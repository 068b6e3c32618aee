import { type Database, queryHot } from './connect.ts';
import { assertUuid } from './uuid.ts';

/** The timeline of runs, for showing it while it goes on. Neither checks membership; authorize first. */

export interface RunRef {
  orgId: string;
  runId: string;
}

export interface RunProgress {
  /** The number of the last record of its timeline, 0 before the first. */
  eventCount: number;
  /** True: no record follows this one. */
  hasEnded: boolean;
}

/** How far each of these runs is, in the order asked and in one round trip; null for one that is gone. */
export async function watchRuns(db: Database, runs: readonly RunRef[]): Promise<(RunProgress | null)[]> {
  for (const run of runs) assertRef(run);
  const asked = JSON.stringify(runs.map(({ orgId, runId }) => ({ orgId, runId })));
  const rows = await queryHot<RunProgress & { number: number }>(db, WATCH_RUNS, [asked]);
  const answers: (RunProgress | null)[] = runs.map(() => null);
  for (const { number, eventCount, hasEnded } of rows) answers[number - 1] = { eventCount, hasEnded };
  return answers;
}

/** One record of a run's owner: what happened since the record before. */
export interface RunEvents {
  /** From 1, without a gap. */
  number: number;
  at: Date;
  entries: readonly Record<string, unknown>[];
}

/** The records from number `from` on, at most `limit`. */
export async function readRunEvents(
  db: Database,
  run: RunRef,
  { from, limit }: { from: number; limit: number },
): Promise<RunEvents[]> {
  assertRef(run);
  return queryHot<RunEvents>(db, READ_RUN_EVENTS, [run.orgId, run.runId, from, limit]);
}

function assertRef({ orgId, runId }: RunRef): void {
  assertUuid(orgId, 'orgId');
  assertUuid(runId, 'runId');
}

const WATCH_RUNS = {
  name: 'watch-runs',
  text: 'SELECT number, event_count AS "eventCount", has_ended AS "hasEnded" FROM app.watch_runs($1::jsonb)',
};
const READ_RUN_EVENTS = {
  name: 'read-run-events',
  text: 'SELECT number, at, entries FROM app.read_run_events($1::uuid, $2::uuid, $3::integer, $4::integer)',
};
