import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let worker: TestWorker;
let echo: EchoServer;

/** All calls are refused for a while. */
beforeAll(async () => {
  echo = await startEcho(async (_call, response) => {
    response.statusCode = 503;
    response.end();
  });
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});

afterAll(async () => {
  await platform.close();
  await echo.close();
});

function document(nodes: object[], rest: object = {}) {
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...rest };
}

describe.concurrent('at the limits of what a document may say', () => {
  test('a delay until a time that has passed, however long ago, is no wait: the run stays with its worker', async () => {
    const times = ['2020-01-01T00:00:00Z', '0000-01-01T00:00:00Z'];
    const nodes = times.map((until, index) => ({ id: `past${index}`, type: 'delay', config: { until } }));
    const now = { id: 'now', type: 'delay', config: { for: 0 } };
    const run = await platform.run(document([...nodes, now], { output: '{% $steps.past0.output.until %}' }));
    expect(await run.until()).toMatchObject({ error: null, output: '2020-01-01T00:00:00.000Z', leaseToken: 1 });
    expect((await run.steps()).past1).toMatchObject({ status: 'succeeded' });
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
  });

  test('an input that does not fit fails its step, whatever characters it has', async () => {
    // The message names the beginning of the key, which ends in the middle of a character.
    const key = `${'q'.repeat(93)}${'\u{1f600}'.repeat(20)}`;
    const query = { [key]: '{% $trigger %}' };
    const nodes = [{ id: 'call', type: 'http.request', config: { method: 'GET', url: echo.url, query } }];
    const run = await platform.run(document(nodes));
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'INPUT_INVALID', stepId: 'call' } });
  });

  test('a retry that comes after the end of the time of the run is told as a retry all the same', async () => {
    const call = { id: 'call', type: 'http.request', config: { method: 'GET', url: echo.url } };
    const nodes = [{ ...call, retry: { maxAttempts: 3, backoffMs: 60_000 } }];
    const run = await platform.run(document(nodes, { settings: { timeoutMs: 2000 } }));
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'RUN_TIMEOUT' } });
    expect(await worker.trace(run.runId)).toEqual([
      'workflow_run_started',
      'workflow_run_retried',
      'workflow_run_started',
      'workflow_run_failed',
    ]);
  });
});

test('a run whose time is over just before it would answer fails without an output, also when onFailure is to come', async () => {
  const timeoutMs = 2_000;
  const slow = { id: 'slow', type: 'transform', config: { value: ['{% $vars.region %}', 'done'] } };
  const onFailure = { nodes: [{ id: 'told', type: 'transform', config: { value: '{% $error.code %}' } }] };
  const holder = await platform.admin.pool.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE app.organization_variables IN ACCESS EXCLUSIVE MODE');
    const run = await platform.run(document([slow], { output: 'late', settings: { timeoutMs, onFailure } }));
    await eventually(
      async () => (await holder.query(WAITING_FOR_LOCK)).rowCount === 1,
      () => 'the last step reads a variable',
    );
    await new Promise((resolve) => setTimeout(resolve, timeoutMs));
    await holder.query('COMMIT');
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'RUN_TIMEOUT' }, output: null });
    expect(await run.steps()).toMatchObject({
      slow: { status: 'succeeded' },
      'onFailure.told': { status: 'succeeded', output: 'RUN_TIMEOUT' },
    });
  } finally {
    holder.release(true);
  }
});

/** Sessions of the database that wait for whoever asks. */
const WAITING_FOR_LOCK = 'SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))';

test('a worker whose clock is ten minutes ahead does not ask again and again whether a retry is due', async () => {
  const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  try {
    const ahead = 'const now = Date.now; Date.now = () => now() + 600_000;';
    await own.startWorker({
      EGRESS_ALLOW_CIDRS: echo.egress,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}`,
    });
    const config = { method: 'GET', url: echo.url };
    const retry = { maxAttempts: 2, backoffMs: 60_000, jitter: false };
    const run = await own.run(document([{ id: 'call', type: 'http.request', config, retry }]));
    await eventually(
      async () => (await run.row()).nextAttemptAt !== null,
      () => 'the retry is due at a time',
    );
    await own.queue.wakeRun({ orgId: own.orgId, runId: run.runId });
    let counts = {};
    await eventually(
      async () => {
        counts = await own.queue.countJobs();
        return Object.values(counts).reduce<number>((sum, count) => sum + Number(count), 0) === 1;
      },
      () => `only the wake-up of the retry is left: ${JSON.stringify(counts)}`,
    );
    expect(await run.row()).toMatchObject({ status: 'queued' });
  } finally {
    await own.close();
  }
});
