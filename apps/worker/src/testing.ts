/** Real workers as child processes and seeded rows for tests of the execution of runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { insertQueuedRun, type Run } from '@millrace/db/runs';
import { withOrg } from '@millrace/db/tenant';
import { createTestDatabase, type TestDatabase } from '@millrace/db/testing';
import { openQueue, type RunQueue } from '@millrace/queue/queue';
import { newId } from '@millrace/shared/ids';

/** Several start at once on a machine that may be busy with other things. */
const WORKER_START_MS = 60_000;

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** What the workers of tests make resume URLs with. */
export const RESUME_TOKEN_KEY = 'the key of tests, known to everybody';

interface LogLine {
  event?: string;
  runId?: string;
  [field: string]: unknown;
}

export interface TestWorker {
  readonly pid: number;
  /** Every log line so far, oldest first. */
  readonly lines: LogLine[];
  /** The names of the run's events, once the last of them says that it ended. */
  trace(runId: string): Promise<(string | undefined)[]>;
  signal(name: NodeJS.Signals): void;
  /** The exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>;
  /** Whether it still runs. */
  isAlive(): boolean;
}

interface RunOptions {
  input?: unknown;
  isAsleep?: boolean;
}

export interface TestPlatform {
  readonly db: TestDatabase;
  /** As app_api: stores runs like the API does. */
  readonly api: Database;
  readonly admin: Database;
  readonly queue: RunQueue;
  readonly queueName: string;
  readonly orgId: string;
  /** Starts a worker and waits until it takes jobs. It is killed at the end of the platform. */
  startWorker(env?: Record<string, string>): Promise<TestWorker>;
  /** Publishes a document as version 1 of a new workflow. */
  publish(document: unknown): Promise<string>;
  /** Stores a queued run of a new workflow and, unless told otherwise, wakes a worker. */
  run(document: unknown, options?: RunOptions): Promise<TestRun>;
  /** The same for a workflow that was published. */
  runOf(workflowId: string, options?: RunOptions): Promise<TestRun>;
  close(): Promise<void>;
}

export interface TestRun {
  readonly runId: string;
  row(): Promise<RunRow>;
  steps(): Promise<Record<string, StepRow>>;
  /** The row once the run has reached one of these states; throws with the row after `timeoutMs`. */
  until(states?: readonly string[], timeoutMs?: number): Promise<RunRow>;
}

interface RunRow {
  status: string;
  output: unknown;
  error: { code: string; message: string; stepId?: string } | null;
  attemptCount: number;
  nextAttemptAt: Date | null;
  leaseToken: number;
  lostClaims: number;
  finishedAt: Date | null;
}

interface StepRow {
  status: string;
  attempt: number;
  input: unknown;
  output: unknown;
  error: { code: string; message: string } | null;
  finishedAt: Date | null;
}

const ENDED = ['succeeded', 'failed', 'cancelled'];

export async function startPlatform(redisUrl: string): Promise<TestPlatform> {
  const db = await createTestDatabase();
  const queueName = `test-${newId()}`;
  const api = connect(db.apiUrl);
  const admin = connect(db.adminUrl);
  const queue = openQueue({ redisUrl, queueName });
  const workers: ChildProcess[] = [];
  const orgId = newId();
  await admin.pool.query('INSERT INTO app.organizations (id, slug, name) VALUES ($1, $2, $2)', [orgId, orgId]);
  const platform: TestPlatform = {
    ...{ db, api, admin, queue, queueName, orgId },
    startWorker: async (env = {}) => {
      const settings = { WORKER_DATABASE_URL: db.workerUrl, REDIS_URL: redisUrl, WORKFLOW_QUEUE_NAME: queueName };
      const worker = spawnWorker({ ...settings, RESUME_TOKEN_KEY, ...env }, workers);
      await eventually(
        () => worker.lines.some((line) => line.event === 'program_started') || !worker.isAlive(),
        () => `the worker starts: ${JSON.stringify(worker.lines)}`,
        WORKER_START_MS,
      );
      return worker;
    },
    publish: (document) => publish(admin, orgId, document),
    run: async (document, options) => platform.runOf(await publish(admin, orgId, document), options),
    runOf: async (workflowId, { input, isAsleep = false } = {}) => {
      const { id: runId, heldBy } = await storeRun(api, orgId, workflowId, input);
      if (!isAsleep && heldBy === null) await wake(queue, orgId, runId);
      return testRun(admin, orgId, runId);
    },
    close: async () => {
      for (const worker of workers) worker.kill('SIGKILL');
      await queue.close();
      await Promise.all([closeDatabase(api), closeDatabase(admin)]);
      await db.drop();
    },
  };
  return platform;
}

/** Waits until `condition` holds; throws, saying `what`, after `timeoutMs`. */
export async function eventually(condition: () => unknown, what: () => string, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function connect(url: string): Database {
  return connectDatabase({ url, poolSize: 4, applicationName: 'millrace-test', onError: () => {} });
}

function spawnWorker(env: Record<string, string>, workers: ChildProcess[]): TestWorker {
  const child = spawn(process.execPath, ['--disable-proto=delete', MAIN], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  workers.push(child);
  const killWithParent = () => void child.kill('SIGKILL');
  process.once('exit', killWithParent);
  child.once('exit', () => process.removeListener('exit', killWithParent));
  const lines: LogLine[] = [];
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  return {
    pid: child.pid ?? 0,
    lines,
    trace: async (runId) => {
      const names = () => lines.filter((line) => line.runId === runId).map((line) => line.event);
      const last = () => names().at(-1) ?? '';
      await eventually(
        () => /_(succeeded|failed|cancelled)$/.test(last()),
        () => `the end of the trace: ${names()}`,
      );
      return names();
    },
    signal: (name) => void child.kill(name),
    ended: async () => {
      const [code, signal] = await exited;
      return code ?? signal ?? 0;
    },
    isAlive: () => child.exitCode === null && child.signalCode === null,
  };
}

async function publish(admin: Database, orgId: string, document: unknown): Promise<string> {
  const workflowId = newId();
  await admin.pool.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     VALUES ($1, $2, 'Flow', $3, 1, 'published', now())`,
    [orgId, workflowId, JSON.stringify(document)],
  );
  await admin.pool.query(
    'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, $3)',
    [orgId, workflowId, JSON.stringify(document)],
  );
  return workflowId;
}

async function storeRun(api: Database, orgId: string, workflowId: string, input: unknown): Promise<Run> {
  const run = { id: newId(), workflowId, version: 1, triggerType: 'trigger.manual', input, maxAttempts: 3 };
  return withOrg(api, orgId, (tx) => insertQueuedRun(tx, { ...run, requestedByUserId: null }));
}

/** The producer fails fast until its connection stands, which is a moment after it was opened. */
async function wake(queue: RunQueue, orgId: string, runId: string): Promise<void> {
  await eventually(
    () => queue.isReady(),
    () => 'the queue is ready',
  );
  await queue.wakeRun({ orgId, runId });
}

function testRun(admin: Database, orgId: string, runId: string): TestRun {
  const run: TestRun = {
    runId,
    row: async () => {
      const { rows } = await admin.pool.query<RunRow>(RUN, [orgId, runId]);
      if (!rows[0]) throw new Error('the run is gone');
      return rows[0];
    },
    steps: async () => {
      const { rows } = await admin.pool.query<StepRow & { key: string }>(STEPS, [orgId, runId]);
      return Object.fromEntries(rows.map(({ key, ...step }) => [key, step]));
    },
    until: async (states = ENDED, timeoutMs = 20_000) => {
      let row = await run.row();
      await eventually(
        async () => {
          row = await run.row();
          return states.includes(row.status);
        },
        () => `the run is ${states.join(' or ')}: ${JSON.stringify(row)}`,
        timeoutMs,
      );
      return row;
    },
  };
  return run;
}

const RUN = `SELECT status, output, error, attempt_count AS "attemptCount", next_attempt_at AS "nextAttemptAt",
    lease_token::integer AS "leaseToken", lost_claims AS "lostClaims", finished_at AS "finishedAt"
  FROM app.workflow_runs WHERE org_id = $1 AND id = $2`;
const STEPS = `SELECT step_key AS key, status, attempt, input, output, error, finished_at AS "finishedAt"
  FROM app.workflow_run_steps WHERE org_id = $1 AND run_id = $2`;
