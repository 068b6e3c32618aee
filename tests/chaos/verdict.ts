import type { ChaosEcho } from './echo.ts';
import type { Answer } from './load.ts';
import type { Place, Scene } from './scene.ts';

/** What an engine must never do, counted from outside: rows, answers, logs, and the calls that arrived. */
export interface Verdict {
  /** Accepted runs that are not there, did not succeed, or have the wrong output. */
  lost: string[];
  /** Numbers that were asked for once and ran twice. */
  doubled: string[];
  /** Numbers answered 503 that have a row all the same. */
  leftBehind: string[];
  /** Calls of a step that came after its end was recorded. */
  repeated: string[];
  /** Runs whose logged events are no legal path, and no killed program explains it. */
  illegalPaths: string[];
  /** 503 QUEUE_UNAVAILABLE without its event. */
  unexplained503: string[];
  /** Any other answer than 201 and 503. */
  oddAnswers: string[];
}

interface RunRow {
  id: string;
  n: number;
  status: string;
  output: { twice?: number } | null;
  createdAt: number;
  finishedAt: number;
}

interface StepRow {
  key: string;
  finishedAt: number;
}

export async function judge(scene: Scene, answers: readonly Answer[]): Promise<Verdict & { wholePaths: number }> {
  const runs = await scene.query<RunRow>(
    `SELECT id, (input ->> 'n')::integer AS n, status, output, extract(epoch FROM created_at)::float8 * 1000 AS "createdAt",
       extract(epoch FROM finished_at)::float8 * 1000 AS "finishedAt" FROM app.workflow_runs`,
  );
  const steps = await scene.query<StepRow>(
    `SELECT run_id || ':' || step_key AS key, extract(epoch FROM finished_at)::float8 * 1000 AS "finishedAt"
     FROM app.workflow_run_steps WHERE type = 'http.request' AND status = 'succeeded'`,
  );
  const logged = loggedEvents(scene);
  const paths = judgePaths(scene, runs, logged);
  return {
    ...judgeAnswers(runs, answers),
    repeated: repeatedCalls(scene.echo, steps),
    illegalPaths: paths.illegal,
    wholePaths: paths.wholeCount,
    unexplained503: answers
      .filter(({ code, requestId }) => code === 'QUEUE_UNAVAILABLE' && !logged.queueFailures.has(requestId ?? ''))
      .map(({ n, requestId }) => `${n}: request ${requestId}`),
    oddAnswers: answers
      .filter(({ status }) => status !== 201 && status !== 503 && status !== 'none' && status !== 'unknown')
      .map(({ n, status, code }) => `${n}: ${status} ${code}`),
  };
}

function judgeAnswers(runs: readonly RunRow[], answers: readonly Answer[]) {
  const byId = new Map(runs.map((run) => [run.id, run]));
  const byNumber = Map.groupBy(runs, ({ n }) => n);
  const isRight = (run: RunRow | undefined) => run?.status === 'succeeded' && run.output?.twice === run.n * 2;
  const lost = answers
    .filter(({ status, runId }) => status === 201 && !isRight(byId.get(runId ?? '')))
    .map(({ n, runId }) => `${n}: ${JSON.stringify(byId.get(runId ?? '') ?? null)}`);
  // Whatever else is there was accepted by an API that died before it could say so, and has to end as well.
  const wrong = runs.filter((run) => !isRight(run)).map((run) => `${run.n}: ${JSON.stringify(run)}`);
  const doubled = [...byNumber].filter(([, { length }]) => length > 1).map(([n, { length }]) => `${n}: ${length} runs`);
  const leftBehind = [...Map.groupBy(answers, ({ n }) => n)]
    .filter(([n, ofNumber]) => ofNumber.every(({ status }) => status === 503) && byNumber.has(n))
    .map(([n, ofNumber]) => `${n}: ${ofNumber.map(({ code }) => code)} ${JSON.stringify(byNumber.get(n))}`);
  return { lost: [...new Set([...lost, ...wrong])], doubled, leftBehind };
}

/** Both clocks are this machine's. */
function repeatedCalls({ calls }: ChaosEcho, steps: readonly StepRow[]): string[] {
  return steps.flatMap(({ key, finishedAt }) => {
    const late = (calls.get(key) ?? []).filter((at) => at > finishedAt + 1);
    return late.map((at) => `${key}: called ${(at - finishedAt).toFixed(0)} ms after its end`);
  });
}

const LETTERS: Record<string, string> = {
  workflow_run_enqueued: 'e',
  workflow_run_started: 's',
  workflow_run_retried: 'r',
  workflow_run_succeeded: 't',
  workflow_run_failed: 't',
  workflow_run_cancelled: 't',
};

interface Logged {
  letter: string;
  at: number;
}

function loggedEvents(scene: Scene) {
  const ofRuns = new Map<string, Logged[]>();
  const queueFailures = new Set<string>();
  const lostLeases = new Set<string>();
  for (const { events } of [...scene.apis, ...scene.workers].flatMap((place: Place) => place.past)) {
    for (const { event, runId, requestId, time } of events) {
      if (event === 'queue_unavailable') queueFailures.add(String(requestId));
      if (event === 'run_lease_lost') lostLeases.add(String(runId));
      const letter = LETTERS[event];
      if (letter === undefined) continue;
      const path = ofRuns.get(String(runId)) ?? [];
      ofRuns.set(String(runId), path);
      path.push({ letter, at: Date.parse(String(time)) });
    }
  }
  return { ofRuns, queueFailures, lostLeases };
}

const LONG_OUTAGE_MS = 30_000;

/**
 * enqueued -> started -> (retried -> started)* -> the end. A line follows its record, and on a busy machine late: of what two
 * programs say within a moment the order tells nothing, so it is counted.
 */
function isLegal(letters: string): boolean {
  const count = (letter: string) => letters.split(letter).length - 1;
  return count('e') === 1 && count('t') === 1 && count('s') === count('r') + 1;
}

function judgePaths(scene: Scene, runs: readonly RunRow[], { ofRuns, lostLeases }: ReturnType<typeof loggedEvents>) {
  const killed = [...scene.apis, ...scene.workers].flatMap(({ killedAt }) =>
    killedAt.map((at) => ({ from: at, to: at })),
  );
  // Nobody who cannot reach the database for so long can tell what became of a run.
  const lost = [...killed, ...scene.outages.filter(({ from, to }) => to - from > LONG_OUTAGE_MS)];
  const illegal: string[] = [];
  let wholeCount = 0;
  for (const run of runs) {
    const path = (ofRuns.get(run.id) ?? []).toSorted((a, b) => a.at - b.at);
    const letters = path.map(({ letter }) => letter).join('');
    const isWhole = isLegal(letters);
    if (isWhole) wholeCount += 1;
    // A program that is killed between a record and the line about it takes that line along, and no other. Under load the
    // line follows its record late.
    const isCutShort = lost.some(({ from, to }) => to > run.createdAt - 1_000 && from < run.finishedAt + 5_000);
    // A worker that lost its lease says so instead of what it could not know, which is never the end.
    const isLeaseLost = lostLeases.has(run.id) && letters.includes('t');
    const isExplained = isCutShort || isLeaseLost;
    if (!isWhole && !(isExplained && hasGapsOnly(letters))) illegal.push(tellPath(scene, run, letters));
  }
  return { illegal, wholeCount };
}

/** All that was logged of the run, for finding out. */
function tellPath(scene: Scene, run: RunRow, letters: string): string {
  const told = [...scene.apis, ...scene.workers].flatMap(({ role, past }) =>
    past.flatMap(({ pid, events }) =>
      events.filter(({ runId }) => runId === run.id).map(({ event, time }) => `${time} ${role} ${pid} ${event}`),
    ),
  );
  const times = [run.createdAt, run.finishedAt].map((at) => new Date(at).toISOString());
  return [`${run.id}: ${letters}, created ${times[0]}, ended ${times[1]}`, ...told.toSorted()].join('\n  ');
}

/** Whether the path is a legal one with lines missing: it is accepted once and ends once. */
function hasGapsOnly(letters: string): boolean {
  return letters.split('e').length <= 2 && letters.split('t').length <= 2;
}
