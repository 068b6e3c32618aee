import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, send, signUp } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { FAIL_POINTS, type FailPoint } from '../../packages/shared/src/fail-points.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from '../platform.ts';
import { show } from './report.ts';

/**
 * A program is killed in each window that a crash could fall into. A wave starts one doomed program for each window, gives
 * it work until it is dead, then starts a healthy one: every run has to end as it should, or never have existed.
 */

/** Each wave kills once in each window. */
const WAVES = Number(process.env.CHAOS_KILLS ?? (process.env.CHAOS_FULL === '1' ? 20 : 3));
const SETTLED_MS = 240_000;
const DEAD_MS = 240_000;

let platform: TestPlatform;
let admin: pg.Client;
let api: Api;
let client: Client;
const calls: { key: string; at: number }[] = [];
const called = new Set<string>();
const echo = createServer((request, response) => {
  const key = String(request.headers['idempotency-key']);
  response.statusCode = called.has(key) ? 200 : 503; // so that each run pauses once
  called.add(key);
  calls.push({ key, at: Date.now() });
  response.end('{}');
});
/** Workflows that start once a year. */
const ticking: string[] = [];
/** Paths of runs. */
const paths = { calls: '', wide: '', fails: '', waits: '', asks: '', hook: '' };

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  api = await platform.startApi();
  client = await signUp(api.url);
  const config = { method: 'POST', url: `http://127.0.0.1:${port}/` };
  const retry = { maxAttempts: 9, backoffMs: 50 };
  const calling = { id: 'call', type: 'http.request', config, retry };
  paths.calls = await publishOf([calling]);
  const body = { nodes: [calling] };
  const items = { items: '{% [1..16] %}', concurrency: 16, body };
  paths.wide = await publishOf([{ id: 'each', type: 'foreach', config: items }]);
  paths.fails = await publishOf([{ id: 'no', type: 'fail', config: { message: 'no' } }]);
  paths.waits = await publishOf([{ id: 'wait', type: 'delay', config: { for: 'PT1H' } }]);
  paths.asks = await publishOf([{ id: 'ask', type: 'approval', config: { by: 'member' } }]);
  for (let wave = 0; wave < WAVES; wave += 1) {
    const trigger = { type: 'trigger.cron', config: { expression: '0 0 1 1 *', timeZone: 'UTC' } };
    ticking.push(
      (await publishOf([{ id: 'tick', type: 'transform', config: { value: 1 } }], trigger)).split('/')[2] ?? '',
    );
  }
  const hooked = await publishOf([calling], { type: 'trigger.webhook', config: { methods: ['POST'] } });
  const { workflow } = await client.call('GET', hooked.replace(/\/runs$/, ''));
  paths.hook = new URL(workflow?.hookUrl ?? '').pathname;
}, 180_000);
afterAll(async () => {
  echo.close();
  await admin?.end();
  await platform?.stop();
});

async function publishOf(nodes: object[], trigger: object = { type: 'trigger.manual' }): Promise<string> {
  return publish(client, 'windows', { version: 'v2', trigger, nodes });
}

/** One use of an API that comes by its point; `prepare` makes what it needs with the healthy API. */
interface Request {
  prepare?: () => Promise<string>;
  path: (prepared: string) => string;
  body?: object;
}

const startRun: Request = { path: () => `${client.orgPath}${paths.calls}`, body: { input: {} } };
const API_WINDOWS: Partial<Record<FailPoint, Request>> = {
  'run.before-accept': startRun,
  'run.accepted-before-wake': startRun,
  'run.woken-before-answer': startRun,
  'run.cancelled-before-ring': {
    prepare: () => runUntil(paths.waits, 'waiting'),
    path: (runId) => `${client.orgPath}${paths.waits}/${runId}/cancel`,
    body: {},
  },
  'run.decided-before-wake': {
    prepare: () => runUntil(paths.asks, 'waiting'),
    path: (runId) => `${client.orgPath}${paths.asks}/${runId}/steps/ask/decide`,
    body: { decision: 'approved' },
  },
  'run.retried-before-wake': {
    prepare: () => runUntil(paths.fails, 'failed'),
    path: (runId) => `${client.orgPath}${paths.fails}/${runId}/retry`,
    body: {},
  },
  'hook.stored-before-run': { path: () => paths.hook, body: {} },
  'hook.run-made-before-wake': { path: () => paths.hook, body: {} },
};
const SCHEDULE_WINDOWS: FailPoint[] = ['schedule.claimed-before-run', 'schedule.fired-before-wake'];
const WORKER_WINDOWS = FAIL_POINTS.filter(
  (name) => API_WINDOWS[name] === undefined && !SCHEDULE_WINDOWS.includes(name),
);

/** Starts a run with the healthy programs and answers its id once it has this status. */
async function runUntil(path: string, status: string): Promise<string> {
  const { run } = await client.call('POST', path, {});
  const id = run?.id ?? '';
  await eventually(`a run to be ${status}`, async () => (await statusOf(id)) === status, SETTLED_MS);
  return id;
}

async function statusOf(id: string): Promise<string | undefined> {
  return (await admin.query('SELECT status FROM app.workflow_runs WHERE id = $1', [id])).rows[0]?.status;
}

it(`an API killed in any of ${Object.keys(API_WINDOWS).length} windows leaves nothing half done, ${WAVES} times each`, async () => {
  const worker = await platform.startWorker();
  for (let wave = 0; wave < WAVES; wave += 1) {
    show(`API windows, wave ${wave + 1} of ${WAVES}`);
    for (const [name, { prepare, path, body }] of Object.entries(API_WINDOWS)) {
      const prepared = (await prepare?.()) ?? '';
      const doomed = await platform.startApi({ FAIL_POINT: name, SWEEP_INTERVAL_MS: '60000' });
      const answer = await send(doomed.url, client.headers, 'POST', path(prepared), body).catch(() => 'none');
      expect([name, answer]).toEqual([name, 'none']);
      await eventually(`the API to die at ${name}`, () => !doomed.isRunning(), DEAD_MS);
    }
  }
  await settle();
  const rows = await countRuns();
  // Nothing was stored before the accept; what was stored behind it has run.
  expect(rows).toMatchObject({
    [`${paths.calls} succeeded`]: 2 * WAVES,
    [`${paths.waits} cancelled`]: WAVES,
    [`${paths.asks} succeeded`]: WAVES,
    [`${paths.fails} failed`]: 2 * WAVES,
  });
  expect(await hookRuns()).toEqual([{ deliveries: 2 * WAVES, runs: 2 * WAVES }]);
  await worker.kill('SIGKILL');
}, 1_800_000);

it(`a worker killed in any of ${WORKER_WINDOWS.length} windows loses no run and repeats no finished step, ${WAVES} times each`, async () => {
  const before = (await admin.query('SELECT count(*)::integer AS n FROM app.workflow_runs')).rows[0].n;
  let started = 0;
  for (let wave = 0; wave < WAVES; wave += 1) {
    show(`worker windows, wave ${wave + 1} of ${WAVES}`);
    const doomed: Program[] = [];
    for (const name of WORKER_WINDOWS) doomed.push(await platform.startWorker({ FAIL_POINT: name }));
    while (doomed.some((program) => program.isRunning())) {
      // Of a wide body more is offered to all workers than its owner does itself.
      await client.call('POST', started % 4 === 0 ? paths.wide : paths.calls, { input: {} });
      started += 1;
      // Somebody finds a run that nobody was woken for.
      await admin.query("UPDATE app.workflow_runs SET next_sweep_at = now() WHERE status = 'queued'");
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(started, tellLiving(doomed)).toBeLessThan(2_000 * (wave + 1));
    }
    const healthy = await platform.startWorker();
    await settle();
    await healthy.kill('SIGTERM');
  }
  const { rows } = await admin.query(
    "SELECT count(*)::integer AS n FROM app.workflow_runs WHERE trigger_type = 'trigger.manual'",
  );
  expect(rows[0].n - before).toBeGreaterThanOrEqual(started - before);
  const wrong = "workflow_id = ANY ($1) AND status <> 'succeeded'";
  const workflowIds = [paths.calls, paths.wide].map((path) => path.split('/')[2]);
  expect(
    (await admin.query(`SELECT id, status, error FROM app.workflow_runs WHERE ${wrong}`, [workflowIds])).rows,
  ).toEqual([]);
  expect(await repeated()).toEqual([]);
  reportFigure(
    'Crash windows',
    `${FAIL_POINTS.length} windows x ${WAVES} kills, ${rows[0].n} runs, 0 lost, 0 finished steps repeated`,
  );
}, 3_600_000);

it(`a tick whose worker is killed while it fires brings exactly one run, ${WAVES} times in each window`, async () => {
  // Nobody else may fire: who was killed before its commit leaves the tick to the next one.
  process.kill(api.pid, 'SIGSTOP');
  for (const [wave, workflowId] of ticking.entries()) {
    show(`schedule windows, wave ${wave + 1} of ${WAVES}`);
    await admin.query(
      "UPDATE app.workflow_schedules SET next_fire_at = date_trunc('year', now()) WHERE workflow_id = $1",
      [workflowId],
    );
    for (const name of SCHEDULE_WINDOWS) {
      const doomed = platform.startWorker({ FAIL_POINT: name }).catch(() => null); // it may die before it says that it runs
      await eventually(`a worker to die at ${name}`, async () => (await doomed)?.isRunning() !== true, DEAD_MS);
    }
  }
  process.kill(api.pid, 'SIGCONT');
  const healthy = await platform.startWorker();
  await settle();
  await healthy.kill('SIGTERM');
  const { rows } = await admin.query(
    "SELECT workflow_id AS id, status FROM app.workflow_runs WHERE trigger_type = 'trigger.cron' ORDER BY 1",
  );
  expect(rows).toEqual(ticking.toSorted().map((id) => ({ id, status: 'succeeded' })));
}, 1_800_000);

function tellLiving(programs: readonly Program[]): string {
  const names = WORKER_WINDOWS.filter((_name, index) => programs[index]?.isRunning());
  return `never came by: ${names}`;
}

/** All runs end, but those that wait for an hour. */
async function settle(): Promise<void> {
  const open = 'SELECT FROM app.workflow_runs WHERE finished_at IS NULL';
  await eventually('all runs to end', async () => (await admin.query(open)).rows.length === 0, SETTLED_MS);
}

async function countRuns(): Promise<Record<string, number>> {
  const { rows } = await admin.query(
    `SELECT '/workflows/' || workflow_id || '/runs ' || status AS name, count(*)::integer AS n FROM app.workflow_runs GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

async function hookRuns() {
  const { rows } = await admin.query(
    `SELECT (SELECT count(*)::integer FROM app.hook_deliveries) AS deliveries,
       (SELECT count(*)::integer FROM app.workflow_runs WHERE trigger_type = 'trigger.webhook' AND status = 'succeeded') AS runs`,
  );
  return rows;
}

/** Calls of a step that came after its end was recorded. */
async function repeated(): Promise<string[]> {
  const { rows } = await admin.query<{ key: string; at: number }>(
    `SELECT run_id || ':' || step_key AS key, extract(epoch FROM finished_at)::float8 * 1000 AS at
     FROM app.workflow_run_steps WHERE status = 'succeeded'`,
  );
  const ends = new Map(rows.map(({ key, at }) => [key, at]));
  return calls.filter(({ key, at }) => at > (ends.get(key) ?? Number.POSITIVE_INFINITY) + 1).map(({ key }) => key);
}
