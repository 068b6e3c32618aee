import { once } from 'node:events';
import { connect } from 'node:net';
import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { startTestRedis, type TestRedis } from '@millrace/queue/testing';
import { newId } from '@millrace/shared/ids';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

/** Wide bodies over two workers: who executes what, and what becomes of it when something dies. */

const ITEMS = 200;
/** As many calls arrive before `/gate` is answered. */
const HELD = 40;
/** What a call of `/large...` answers: more than a row holds. */
const LARGE = 'y'.repeat(100_000);

let redis: TestRedis;
let platform: TestPlatform;
let echo: EchoServer;
let workers: TestWorker[];
/** While true, calls of `/held...` are not answered. */
let isHeld: boolean;

beforeEach(async () => {
  isHeld = true;
  echo = await startEcho(async (call, response) => {
    const mustWait = () =>
      call.path === '/gate' ? echo.calls.length <= HELD : isHeld && call.path.startsWith('/held');
    while (mustWait()) await new Promise((resolve) => setTimeout(resolve, 20));
    setTimeout(() => response.end(call.path.startsWith('/large') ? LARGE : call.path), 150);
  });
  redis = await startTestRedis();
  platform = await startPlatform(redis.url);
  workers = await Promise.all([startWorker(), startWorker()]);
});
afterEach(async () => {
  await platform.close();
  await echo.close();
  await redis.stop();
});

function startWorker(env: Record<string, string> = {}): Promise<TestWorker> {
  return platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress, WORKER_METRICS_PORT: '0', ...env });
}

interface Body {
  items?: number;
  concurrency?: number;
  path?: string;
  call?: object;
  config?: object;
}

/** The output is the list of the paths that were called, in the order of the items. */
function wide({ items = ITEMS, concurrency = 60, path = '/item', call = {}, config = {} }: Body = {}) {
  const url = `${echo.url}${path}/{% $item %}`;
  const step = { id: 'call', type: 'http.request', config: { method: 'POST', url, ...config }, ...call };
  const body = { nodes: [step], output: '{% $steps.call.output.body %}' };
  const nodes = [{ id: 'each', type: 'foreach', config: { items: `{% [1..${items}] %}`, concurrency, body } }];
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
}

const paths = (items = ITEMS, path = '/item') => Array.from({ length: items }, (_, index) => `${path}/${index + 1}`);

/** How many attempts of calls have ended in this worker. */
async function attemptsOf(worker: TestWorker): Promise<number> {
  const started = worker.lines.find(({ event }) => event === 'program_started');
  const { metricsPort } = (started?.detail ?? {}) as { metricsPort?: number };
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const counts = text.matchAll(/step_duration_seconds_count\{[^}]*type="http\.request"[^}]*\} (\d+)/g);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function ownerAndOther(run: TestRun): Promise<[TestWorker, TestWorker]> {
  const isOwner = ({ lines }: TestWorker) => lines.some(({ runId }) => runId === run.runId);
  await eventually(
    () => workers.some(isOwner),
    () => 'somebody owns the run',
  );
  const [first, second] = workers.toSorted((a, b) => Number(isOwner(b)) - Number(isOwner(a)));
  if (first === undefined || second === undefined) throw new Error('there are two workers');
  return [first, second];
}

function untilCalls(count: number): Promise<void> {
  return eventually(
    () => echo.calls.length >= count,
    () => `${count} calls, there are ${echo.calls.length}`,
  );
}

/** Each item was called, all with the key of its step; none of a step that had ended before. */
async function expectNoCallAfterItsEnd(run: TestRun): Promise<void> {
  const steps = await run.steps();
  for (const [index, path] of paths().entries()) {
    const calls = echo.callsTo(path);
    expect(calls.length).toBeGreaterThan(0);
    const finishedAt = steps[`each.${index}.call`]?.finishedAt?.getTime() ?? 0;
    for (const call of calls) {
      expect(call.at.getTime()).toBeLessThanOrEqual(finishedAt);
      expect(call.idempotencyKey).toBe(`${run.runId}:each.${index}.call`);
    }
  }
}

async function flushRedis(): Promise<void> {
  const socket = connect(redis.port, '127.0.0.1', () => socket.write('FLUSHALL\r\n'));
  const [answer] = await once(socket, 'data');
  socket.destroy();
  expect(String(answer)).toBe('+OK\r\n');
}

async function leftRows(): Promise<number> {
  const { rows } = await platform.admin.pool.query('SELECT count(*)::integer AS count FROM app.workflow_run_attempts');
  return rows[0].count;
}

test('a wide body is executed by all workers, each item once, and its output is in the order of the items', async () => {
  const run = await platform.run(wide());
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), attemptCount: 1, leaseToken: 1 });
  expect(echo.calls.map(({ path }) => path).toSorted()).toEqual(paths().toSorted());
  const counts = await Promise.all(workers.map(attemptsOf));
  expect(counts.reduce((sum, count) => sum + count)).toBe(ITEMS);
  for (const count of counts) expect(count).toBeGreaterThanOrEqual(ITEMS / 4);
  await eventually(
    async () => (await leftRows()) === 0,
    () => 'no row of an attempt is left',
  );
}, 120_000);

test('large inputs and outputs travel, and what fails there fails as it does here', async () => {
  const text = 'x'.repeat(100_000);
  const call = { retry: { maxAttempts: 1 } };
  const large = await platform.run(
    wide({ items: 40, concurrency: 40, path: '/large', call, config: { body: { text } } }),
  );
  const [, other] = await ownerAndOther(large);
  await large.until(['succeeded'], 60_000);
  const { rows } = await platform.admin.pool.query(
    `SELECT field, size_bytes FROM app.workflow_run_blobs WHERE run_id = $1 AND step_key LIKE 'each.%.call'`,
    [large.runId],
  );
  for (const field of ['input', 'output']) {
    const sizes = rows.filter((row) => row.field === field).map((row) => row.size_bytes);
    expect(sizes).toHaveLength(40);
    expect(Math.min(...sizes)).toBeGreaterThan(100_000);
  }
  expect(new Set(echo.calls.map(({ body }) => body))).toEqual(new Set([JSON.stringify({ text })]));
  expect(await attemptsOf(other)).toBeGreaterThan(0);
  const url = 'http://127.0.0.1:1/{% $item %}';
  const collected = wide({ items: 40, concurrency: 40, call, config: { url } });
  Object.assign(collected.nodes[0]?.config ?? {}, { onItemError: 'collect' });
  const failing = await platform.run(collected);
  const { output } = await failing.until(['succeeded'], 60_000);
  const codes = (output as { error: { code: string } }[]).map(({ error }) => error.code);
  expect(codes).toEqual(Array.from({ length: 40 }, () => 'EGRESS_REFUSED'));
}, 120_000);

test('files are received and sent by all workers, each as it is', async () => {
  const get = { config: { method: 'GET', url: `${echo.url}/item/{% $item %}`, responseType: 'file' } };
  const put = { config: { method: 'PUT', url: `${echo.url}/put/{% $item %}`, body: '{% $steps.get.output.body %}' } };
  const nodes = [
    { id: 'get', type: 'http.request', ...get },
    { id: 'put', type: 'http.request', ...put },
  ];
  const body = { nodes, edges: [{ from: 'get', to: 'put' }], output: '{% $steps.get.output.body.sizeBytes %}' };
  const config = { items: '{% [1..40] %}', concurrency: 40, body };
  const document = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [{ id: 'each', type: 'foreach', config }],
  };
  const run = await platform.run(document);
  const [owner, other] = await ownerAndOther(run);
  const sizes = paths(40).map(({ length }) => length);
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: sizes, attemptCount: 1 });
  for (const [index, path] of paths(40).entries())
    expect(echo.callsTo(`/put/${index + 1}`).map((call) => call.body)).toEqual([path]);
  for (const worker of [owner, other]) expect(await attemptsOf(worker)).toBeGreaterThan(10);
}, 120_000);

test('a call that carries a credential is made by the owner alone, which stores it nowhere', async () => {
  const headers = { authorization: '{% "Bearer s3" & "cret" %}' };
  const run = await platform.run(wide({ items: 40, concurrency: 40, config: { headers } }));
  const [owner, other] = await ownerAndOther(run);
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(40) });
  expect(new Set(echo.calls.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer s3cret']));
  expect(await Promise.all([attemptsOf(owner), attemptsOf(other)])).toEqual([40, 0]);
}, 120_000);

test('when a worker is killed that executes for another one, its attempts are made again and no finished step is', async () => {
  const run = await platform.run(wide());
  const [, other] = await ownerAndOther(run);
  await untilCalls(80);
  other.signal('SIGKILL');
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), attemptCount: 1, leaseToken: 1 });
  await expectNoCallAfterItsEnd(run);
  expect(echo.calls.length).toBeLessThanOrEqual(ITEMS + 25);
}, 120_000);

test('when the owner is killed, whoever executes for it stops, and the next owner makes what has not ended', async () => {
  const run = await platform.run(wide());
  const [owner] = await ownerAndOther(run);
  await untilCalls(80);
  owner.signal('SIGKILL');
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), attemptCount: 1, leaseToken: 2 });
  await expectNoCallAfterItsEnd(run);
  await eventually(
    async () => (await leftRows()) === 0,
    () => 'no row of an attempt is left',
  );
}, 120_000);

test('an attempt that must not happen twice waits for a person when its worker is killed, and only that', async () => {
  const call = { idempotency: 'none' };
  const run = await platform.run(wide({ items: 60, path: '/held', call }));
  const [, other] = await ownerAndOther(run);
  await untilCalls(58);
  other.signal('SIGKILL');
  isHeld = false;
  await run.until(['waiting'], 60_000);
  const statuses = Object.values(await run.steps()).map(({ status }) => status);
  const waiting = statuses.filter((status) => status === 'waiting').length;
  expect(waiting).toBeGreaterThan(0);
  expect(waiting).toBeLessThanOrEqual(25);
  expect(new Set(echo.calls.map(({ path }) => path)).size).toBe(echo.calls.length);
}, 120_000);

test.each(['alive', 'killed'])(
  'a cancel stops the calls of all workers within a second, with Redis %s',
  async (state) => {
    const run = await platform.run(wide({ path: '/held' }));
    await untilCalls(58);
    if (state === 'killed') await redis.kill();
    const askedAt = performance.now();
    const entry = { type: 'run.cancel_requested', by: newId() };
    await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, run.runId, entry));
    await platform.queue.ringOwner(run.runId).catch(() => {});
    await run.until(['cancelled'], 5_000);
    await eventually(
      () => echo.calls.every(({ isAborted }) => isAborted),
      () => 'all calls are aborted',
    );
    expect(performance.now() - askedAt).toBeLessThan(state === 'alive' ? 1_000 : 2_000);
  },
  120_000,
);

test('what is cancelled in a run that goes on is stopped at once in all workers', async () => {
  const call = (id: string, path: string) => ({
    ...{ id, type: 'http.request', config: { method: 'POST', url: `${echo.url}${path}` } },
  });
  const held = Array.from({ length: HELD }, (_, index) => call(`h${index}`, `/held/${index}`));
  const join = { id: 'first', type: 'parallel.join', config: { mode: 'any', cancelRest: true } };
  const calls = [call('gate', '/gate'), ...held];
  const edges = calls.map(({ id }) => ({ from: id, to: 'first' }));
  const document = {
    ...{ version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [...calls, join, call('after', '/held/after')] },
    edges: [...edges, { from: 'first', to: 'after' }],
  };
  const run = await platform.run(document);
  await eventually(
    () => echo.callsTo('/held/after').length === 1,
    () => `the step behind the join is called, after ${echo.calls.length} calls`,
  );
  await eventually(
    () => held.every((_, index) => echo.callsTo(`/held/${index}`).every(({ isAborted }) => isAborted)),
    () => 'all others are aborted',
    2_000,
  );
  isHeld = false;
  await run.until(['succeeded']);
  expect(echo.calls).toHaveLength(HELD + 2);
}, 120_000);

test('when Redis is killed in the middle, the run ends all the same, each item once', async () => {
  const run = await platform.run(wide());
  await untilCalls(80);
  await redis.kill();
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), leaseToken: 1 });
  expect(echo.calls).toHaveLength(ITEMS);
}, 120_000);

test('when Redis forgets everything in the middle, the owners take their offers back, each item once', async () => {
  const runs = [await platform.run(wide()), await platform.run(wide())];
  await untilCalls(80);
  await flushRedis();
  for (const run of runs)
    expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), leaseToken: 1 });
  expect(echo.calls).toHaveLength(2 * ITEMS);
}, 120_000);

test('an owner that is told to end hands its runs on, and what nobody has begun is no doubt of anybody', async () => {
  const document = wide({ call: { idempotency: 'none' } });
  const runs = [await platform.run(document), await platform.run(document)];
  const [owner] = await ownerAndOther(runs[0] as TestRun);
  await untilCalls(80);
  owner.signal('SIGTERM');
  for (const run of runs)
    expect(await run.until(['succeeded', 'waiting'], 60_000)).toMatchObject({ status: 'succeeded', output: paths() });
  expect(await owner.ended()).toBe(0);
  expect(echo.calls).toHaveLength(2 * ITEMS);
}, 120_000);

test('a worker that freezes while it executes for another one sends nothing more when it wakes', async () => {
  const run = await platform.run(wide({ concurrency: 100 }));
  const [, other] = await ownerAndOther(run);
  await untilCalls(80);
  other.signal('SIGSTOP');
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths(), attemptCount: 1, leaseToken: 1 });
  const count = echo.calls.length;
  other.signal('SIGCONT');
  const next = await platform.run(wide({ items: 3, concurrency: 1, path: '/next' }));
  await next.until(['succeeded'], 60_000);
  await expectNoCallAfterItsEnd(run);
  expect(echo.calls).toHaveLength(count + 3);
  expect(other.isAlive()).toBe(true);
}, 120_000);

test('a worker that is told to end makes what it has begun for others, and takes nothing more', async () => {
  const run = await platform.run(wide());
  const [, other] = await ownerAndOther(run);
  await untilCalls(80);
  other.signal('SIGTERM');
  expect(await run.until(['succeeded'], 60_000)).toMatchObject({ output: paths() });
  expect(await other.ended()).toBe(0);
  expect(echo.calls).toHaveLength(ITEMS);
}, 120_000);
