import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { type Program, preparePlatform, type TestPlatform } from './platform.ts';

/** Times of runs and steps are kept whatever becomes of the worker, and by the clock of the database. */

let platform: TestPlatform;
let admin: pg.Client;
let client: Client;
let worker: Program;
let calls: { path: string; key: string | undefined }[] = [];
/** Answers of calls whose path begins with `/held`, the first of each path; none is ever sent. */
const held: ServerResponse[] = [];
const echo = createServer((request, response) => {
  const path = request.url ?? '';
  const isFirst = calls.every((call) => call.path !== path);
  calls.push({ path, key: request.headers['idempotency-key']?.toString() });
  if (path.startsWith('/held') && isFirst) held.push(response);
  else response.writeHead(path.startsWith('/broken') ? 500 : 200).end('ok');
});

beforeAll(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  platform = await preparePlatform({ EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${port}` });
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  client = await signUp((await platform.startApi({ SWEEP_INTERVAL_MS: '200' })).url);
}, 60_000);
afterAll(async () => {
  echo.closeAllConnections();
  echo.close();
  await admin.end();
  await platform.stop();
});

beforeEach(async () => {
  calls = [];
  worker = await startWorker();
}, 60_000);
afterEach(() => worker.kill('SIGKILL'));

/** Only the API sweeps. */
const startWorker = () => platform.startWorker({ SWEEP_INTERVAL_MS: '60000' });

function request(id: string, options: object = {}) {
  const { port } = echo.address() as AddressInfo;
  const config = { method: 'POST', url: `http://127.0.0.1:${port}/${id}` };
  return { id, type: 'http.request', config, ...options };
}

async function start(nodes: object[], settings: object = {}): Promise<string> {
  const dsl = { version: 'v2', trigger: { type: 'trigger.manual' }, settings, nodes };
  const { run } = await client.call('POST', await publish(client, 'Timed', dsl), {});
  return run?.id ?? '';
}

async function read(runId: string) {
  const { rows } = await admin.query(
    `SELECT status, error, lease_until < clock_timestamp() AS "isLost", started_at AS "startedAt",
       finished_at AS "finishedAt", extract(epoch FROM clock_timestamp() - started_at) * 1000 AS "ageMs"
     FROM app.workflow_runs WHERE id = $1`,
    [runId],
  );
  return rows[0];
}

async function stepOf(runId: string, key: string) {
  const { rows } = await admin.query(
    'SELECT status, attempt, error FROM app.workflow_run_steps WHERE run_id = $1 AND step_key = $2',
    [runId, key],
  );
  return rows[0];
}

async function until(runId: string, status: string, timeoutMs = 30_000) {
  await eventually(`the run is ${status}`, async () => (await read(runId)).status === status, timeoutMs);
  return read(runId);
}

const called = (path: string, times = 1) =>
  eventually(`${times} calls of ${path}`, () => calls.filter((call) => call.path === path).length === times, 30_000);

it('a run whose time ended while no worker lived fails at once under the next one, repeats nothing, and tells', async () => {
  const onFailure = { nodes: [request('tell')] };
  const runId = await start([request('held-1'), request('next')], { timeoutMs: 6_000, onFailure });
  await called('/held-1');
  await worker.kill('SIGKILL');
  await eventually(
    'its time and its lease to end',
    async () => {
      const { isLost, ageMs } = await read(runId);
      return isLost && ageMs > 6_000;
    },
    30_000,
  );
  expect((await read(runId)).status).toBe('running');
  worker = await startWorker();
  expect((await until(runId, 'failed')).error.code).toBe('RUN_TIMEOUT');
  expect(calls.map(({ path }) => path)).toEqual(['/held-1', '/tell']);
  expect(await stepOf(runId, 'held-1')).toMatchObject({ status: 'cancelled' });
  expect(await stepOf(runId, 'onFailure.tell')).toMatchObject({ status: 'succeeded' });
}, 90_000);

it.each([
  ['waits for a person', 'waiting', { id: 'ask', type: 'approval', config: { by: 'member' } }],
  ['waits for a far retry', 'queued', 'retry'],
  ['waits for a far time', 'waiting', { id: 'nap', type: 'delay', config: { for: 3_600_000 } }],
])(
  'a run that %s is woken at the end of its time by a sweeper alone',
  async (_, status, node) => {
    const far = request('broken', { retry: { maxAttempts: 2, backoffMs: 3_600_000, maxBackoffMs: 3_600_000 } });
    const runId = await start([node === 'retry' ? far : (node as object)], { timeoutMs: 4_000 });
    await eventually(`it is ${status}`, async () => {
      const row = await read(runId);
      return row.status === status && row.startedAt !== null;
    });
    // Whatever wake-up was left in Redis for then is gone.
    const redis = new Redis(platform.redis.url);
    await redis.flushall();
    redis.disconnect();
    const row = await until(runId, 'failed');
    expect(row.error.code).toBe('RUN_TIMEOUT');
    const tookMs = row.finishedAt - row.startedAt;
    expect(tookMs).toBeGreaterThanOrEqual(4_000);
    expect(tookMs).toBeLessThan(20_000);
  },
  60_000,
);

it('onFailure has the time of its run anew, which ends it while no worker lives and changes nothing about the error', async () => {
  const onFailure = { nodes: [request('held-4'), request('told')] };
  const failing = { id: 'bad', type: 'fail', config: { code: 'FIRST', message: 'It was to fail.' } };
  const runId = await start([request('fine'), failing], { timeoutMs: 5_000, onFailure });
  await called('/held-4');
  await worker.kill('SIGKILL');
  await eventually(
    'its time and its lease to end',
    async () => {
      const { isLost, ageMs } = await read(runId);
      return isLost && ageMs > 5_500;
    },
    30_000,
  );
  expect((await read(runId)).status).toBe('running');
  worker = await startWorker();
  const row = await until(runId, 'failed');
  expect(row.error).toMatchObject({ code: 'FIRST', stepId: 'bad' });
  expect(calls.map(({ path }) => path)).toEqual(['/fine', '/held-4']);
  expect(await stepOf(runId, 'onFailure.held-4')).toMatchObject({ status: 'cancelled' });
  expect(await stepOf(runId, 'onFailure.told')).toMatchObject({ status: 'skipped' });
}, 90_000);

it('an onFailure that waits is ended at its time by a sweeper alone', async () => {
  const onFailure = { nodes: [{ id: 'nap', type: 'delay', config: { for: 3_600_000 } }] };
  const failing = { id: 'bad', type: 'fail', config: { code: 'FIRST', message: 'It was to fail.' } };
  const runId = await start([failing], { timeoutMs: 4_000, onFailure });
  await until(runId, 'waiting');
  const redis = new Redis(platform.redis.url);
  await redis.flushall();
  redis.disconnect();
  const row = await until(runId, 'failed');
  expect(row.error.code).toBe('FIRST');
  const tookMs = row.finishedAt - row.startedAt;
  expect(tookMs).toBeGreaterThanOrEqual(4_000);
  expect(tookMs).toBeLessThan(20_000);
}, 60_000);

it('a step whose time ends while its worker is frozen for a while is tried again under the same key', async () => {
  const runId = await start([request('held-2', { timeoutMs: 1_500, retry: { maxAttempts: 2, backoffMs: 10 } })]);
  await called('/held-2');
  process.kill(worker.pid, 'SIGSTOP');
  await eventually('the time of the step to end', async () => (await read(runId)).ageMs > 3_000);
  process.kill(worker.pid, 'SIGCONT');
  await until(runId, 'succeeded');
  expect(await stepOf(runId, 'held-2')).toMatchObject({ status: 'succeeded', attempt: 2 });
  expect(calls.map(({ key }) => key)).toEqual([`${runId}:held-2`, `${runId}:held-2`]);
}, 60_000);

it('a step whose time ends while its worker is frozen belongs to the next one: what the first says of it is not recorded', async () => {
  const runId = await start([request('held-3', { timeoutMs: 1_500, retry: { maxAttempts: 1 } })]);
  await called('/held-3');
  process.kill(worker.pid, 'SIGSTOP');
  const next = await startWorker();
  try {
    const row = await until(runId, 'succeeded', 40_000);
    process.kill(worker.pid, 'SIGCONT');
    await eventually('the first one notices', () => worker.events.some(({ event }) => event === 'run_lease_lost'));
    expect(await read(runId)).toMatchObject({ status: 'succeeded', error: null, finishedAt: row.finishedAt });
    expect(await stepOf(runId, 'held-3')).toMatchObject({ status: 'succeeded', attempt: 1, error: null });
    expect(calls.map(({ key }) => key)).toEqual([`${runId}:held-3`, `${runId}:held-3`]);
  } finally {
    await next.kill('SIGKILL');
  }
}, 90_000);

it('a loop of pure steps does not outlast the time of its run', async () => {
  const body = { nodes: [{ id: 'n', type: 'transform', config: { value: '{% $sum([1..20000]) %}' } }] };
  const loop = { id: 'each', type: 'foreach', config: { items: '{% [1..10000] %}', as: 'item', body } };
  const runId = await start([loop], { timeoutMs: 2_000 });
  const row = await until(runId, 'failed', 60_000);
  expect(row.error.code).toBe('RUN_TIMEOUT');
  expect(row.finishedAt - row.startedAt).toBeLessThan(20_000);
}, 90_000);
