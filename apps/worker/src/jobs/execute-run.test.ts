import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const redisUrl = process.env.MILLRACE_TEST_REDIS_URL ?? '';
let platform: TestPlatform;
let echo: EchoServer;
let worker: TestWorker;

/** `/status/503?until=2`: answers 503 to the first two calls of that very address, then 200. */
beforeAll(async () => {
  platform = await startPlatform(redisUrl);
  echo = await startEcho((call, response) => {
    const url = new URL(call.path, 'http://echo');
    const status = Number(/^\/status\/(\d+)/.exec(url.pathname)?.[1] ?? 200);
    const until = Number(url.searchParams.get('until') ?? Number.POSITIVE_INFINITY);
    const retryAfter = url.searchParams.get('retryAfter');
    const delayMs = Number(url.searchParams.get('delayMs') ?? 0);
    const isBad = status !== 200 && echo.callsTo(call.path).length <= until;
    response.statusCode = isBad ? status : 200;
    response.setHeader('content-type', 'application/json');
    if (retryAfter) response.setHeader('retry-after', retryAfter);
    const body = JSON.stringify({ path: call.path, total: 150, sent: call.body });
    setTimeout(() => response.end(body), delayMs);
  });
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});
afterAll(async () => {
  await platform.close();
  await echo.close();
});

function document(nodes: object[], rest: object = {}) {
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...rest };
}

function get(id: string, path: string, rest: object = {}) {
  return { id, type: 'http.request', config: { method: 'GET', url: `${echo.url}${path}` }, ...rest };
}

function transform(id: string, value: unknown) {
  return { id, type: 'transform', config: { value } };
}

describe('a run', () => {
  test('calls a server, decides and ends succeeded with its output', async () => {
    const nodes = [
      { id: 'fetch', type: 'http.request', config: { method: 'GET', url: '{% $trigger.input.url %}' } },
      { id: 'big', type: 'condition', config: { if: '{% $steps.fetch.output.body.total > 100 %}' } },
      transform('sum', { total: '{% $steps.fetch.output.body.total %}' }),
      transform('small', 'small'),
    ];
    const edges = [
      { from: 'fetch', to: 'big' },
      { from: 'big', to: 'sum', branch: 'true' },
      { from: 'big', to: 'small', branch: 'false' },
    ];
    const run = await platform.run(document(nodes, { edges }), { input: { url: `${echo.url}/first` } });
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', output: { total: 150 }, error: null, attemptCount: 1 });
    expect(echo.callsTo('/first')).toMatchObject([{ idempotencyKey: `${run.runId}:fetch` }]);
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
    const steps = await run.steps();
    expect(steps.fetch).toMatchObject({ status: 'succeeded', attempt: 1, input: { url: `${echo.url}/first` } });
    expect(steps.big).toMatchObject({ status: 'succeeded', output: true, input: { if: true } });
    expect(steps.small).toMatchObject({ status: 'skipped', attempt: 0, output: null });
    expect(Object.values(steps).every((step) => step.finishedAt)).toBe(true);
  });

  test('of pure steps reads trigger, constants, run and steps and takes one record for all of it', async () => {
    const nodes = [
      transform('a', { n: '{% $trigger.input.n %}', c: '{% $constants.rate %}', id: '{% $run.id %}' }),
      transform('b', 'n is {% $steps.a.output.n %}'),
      transform('c', '{% $sum([$steps.a.output.n, $steps.a.output.c]) %}'),
    ];
    const output = { text: '{% $steps.b.output %}', sum: '{% $steps.c.output %}', id: '{% $steps.a.output.id %}' };
    const run = await platform.run(document(nodes, { output, constants: { rate: 5 } }), { input: { n: 2 } });
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', output: { text: 'n is 2', sum: 7, id: run.runId } });
    const steps = await run.steps();
    expect(new Set(Object.values(steps).map((step) => step.finishedAt?.getTime())).size).toBe(1);
  });

  test('takes the first case of a switch that holds, else default, where a fail ends it with its own code', async () => {
    const cases = [
      { name: 'large', if: '{% $trigger.input.total > 100 %}' },
      { name: 'any', if: '{% $trigger.input.total > 0 %}' },
    ];
    const nodes = [
      { id: 'size', type: 'switch', config: { cases } },
      transform('large', 'large'),
      transform('any', 'any'),
      { id: 'refuse', type: 'fail', config: { code: 'NO_TOTAL', message: 'got {% $trigger.input %}' } },
    ];
    const edges = ['large large', 'any any', 'refuse default'].map((text) => {
      const [to, branch] = text.split(' ');
      return { from: 'size', to, branch };
    });
    const large = await platform.run(document(nodes, { edges }), { input: { total: 500 } });
    expect(await large.until()).toMatchObject({ status: 'succeeded', output: 'large' });
    const none = await platform.run(document(nodes, { edges }), { input: {} });
    const error = { code: 'NO_TOTAL', message: 'got {}', stepId: 'refuse' };
    expect(await none.until()).toMatchObject({ status: 'failed', error, attemptCount: 1 });
    expect((await none.steps()).size).toMatchObject({ status: 'succeeded', output: 'default' });
  });

  test('without trigger input or output answers null where nothing is known', async () => {
    const run = await platform.run(document([transform('a', { missing: '{% $trigger.input.a.b %}' })]));
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: { missing: null } });
  });
});

describe('two of three (worked example B)', () => {
  function twoOfThree(paths: Record<'a' | 'b' | 'c', string>) {
    const retry = { maxAttempts: 1 };
    const nodes = [
      ...(['a', 'b', 'c'] as const).map((id) => get(id, paths[id], { onError: 'branch', retry })),
      { id: 'two', type: 'parallel.join', config: { mode: 'count', count: 2, cancelRest: true } },
      transform('note', "{% $steps.a.error.code ?? 'ok' %}"),
    ];
    const edges = ['a', 'b', 'c'].flatMap((from) => [
      { from, to: 'two' },
      { from, to: 'note', branch: 'error' },
    ]);
    return document(nodes, { edges });
  }

  test('starts the join when two are done and aborts the third', async () => {
    const run = await platform.run(twoOfThree({ a: '/B1/a', b: '/B1/b', c: '/B1/c?delayMs=20000' }));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', output: { a: { status: 200 }, b: { status: 200 } } });
    const steps = await run.steps();
    expect(steps).toMatchObject({ c: { status: 'cancelled' }, note: { status: 'skipped' } });
  });

  test('goes on with the others when one fails', async () => {
    const run = await platform.run(twoOfThree({ a: '/status/404?B2', b: '/B2/b?delayMs=300', c: '/B2/c?delayMs=300' }));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', output: { two: { b: {}, c: {} }, note: 'HTTP_STATUS' } });
  });

  test('fails the run when too few arrive', async () => {
    const run = await platform.run(twoOfThree({ a: '/status/404?B3a', b: '/status/404?B3b', c: '/B3/c' }));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'failed', output: null, error: { code: 'JOIN_UNSATISFIED', stepId: 'two' } });
  });

  test('skips the join when all fail and answers with the note', async () => {
    const paths = { a: '/status/404?B4a', b: '/status/404?B4b', c: '/status/404?B4c' };
    const run = await platform.run(twoOfThree(paths));
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'HTTP_STATUS' });
  });
});

describe('a failing step', () => {
  test('pauses the run as queued between attempts and sends the same input under the same key each time', async () => {
    const retry = { maxAttempts: 3, backoffMs: 400, jitter: false };
    const random = { method: 'POST', url: `${echo.url}/status/503?until=2`, body: { r: '{% $random() %}' } };
    const run = await platform.run(document([{ id: 'charge', type: 'http.request', config: random, retry }]));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'succeeded', attemptCount: 3, nextAttemptAt: null, lostClaims: 0 });
    const calls = echo.callsTo('/status/503?until=2');
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map((call) => call.idempotencyKey))).toEqual(new Set([`${run.runId}:charge`]));
    expect(new Set(calls.map((call) => call.body)).size).toBe(1);
    expect(Number(calls[1]?.at) - Number(calls[0]?.at)).toBeGreaterThanOrEqual(400);
    expect(Number(calls[2]?.at) - Number(calls[1]?.at)).toBeGreaterThanOrEqual(800);
    expect(await worker.trace(run.runId)).toEqual([
      'workflow_run_started',
      'workflow_run_retried',
      'workflow_run_started',
      'workflow_run_retried',
      'workflow_run_started',
      'workflow_run_succeeded',
    ]);
    const lines = worker.lines.filter((line) => line.runId === run.runId);
    expect(lines.map((line) => line.attemptCount)).toEqual([1, 1, 2, 2, 3, 3]);
    const common = { orgId: platform.orgId, workflowId: expect.any(String), attemptCount: expect.any(Number) };
    for (const line of lines) expect(line).toMatchObject(common);
    expect(lines[1]).toMatchObject({ errorCode: 'HTTP_STATUS', stepId: 'charge', nextAttemptAt: expect.any(String) });
    expect(lines.at(-1)).toMatchObject({ durationMs: expect.any(Number) });
  });

  test('waits as long as Retry-After asks, with the due time in the row', async () => {
    const retry = { maxAttempts: 2, backoffMs: 1 };
    const run = await platform.run(document([get('a', '/status/429?until=1&retryAfter=2', { retry })]));
    await eventually(
      async () => (await run.row()).nextAttemptAt !== null,
      () => 'the run pauses',
    );
    const paused = await run.row();
    expect(paused).toMatchObject({ status: 'queued', leaseToken: 1, attemptCount: 1 });
    expect(Number(paused.nextAttemptAt) - Date.now()).toBeGreaterThan(1000);
    expect((await run.steps()).a).toMatchObject({ status: 'waiting', attempt: 1, error: { code: 'HTTP_STATUS' } });
    expect(await run.until()).toMatchObject({ status: 'succeeded', attemptCount: 2 });
    const [first, second] = echo.callsTo('/status/429?until=1&retryAfter=2');
    expect(Number(second?.at) - Number(first?.at)).toBeGreaterThanOrEqual(1990);
  });

  test('is tried again in the same process while another one runs', async () => {
    const nodes = [
      get('flaky', '/status/500?until=1&side', { retry: { maxAttempts: 2, backoffMs: 50 } }),
      get('slow', '/slow?delayMs=1200'),
      transform('end', 1),
    ];
    const edges = [
      { from: 'flaky', to: 'end' },
      { from: 'slow', to: 'end' },
    ];
    const run = await platform.run(document(nodes, { edges }));
    expect(await run.until()).toMatchObject({ status: 'succeeded', leaseToken: 1, attemptCount: 2 });
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
  });

  test('fails the run with its code after the last attempt, cancels what runs and skips what is pending', async () => {
    const nodes = [
      get('bad', '/status/500?always', { retry: { maxAttempts: 2, backoffMs: 1 } }),
      get('slow', '/slow?delayMs=20000&fail'),
      transform('after', 1),
    ];
    const edges = [
      { from: 'bad', to: 'after' },
      { from: 'slow', to: 'after' },
    ];
    const run = await platform.run(document(nodes, { edges }));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'failed', error: { code: 'HTTP_STATUS', stepId: 'bad' }, output: null });
    const steps = await run.steps();
    expect(steps).toMatchObject({ slow: { status: 'cancelled' }, after: { status: 'skipped' } });
    expect(steps.bad).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'HTTP_STATUS' } });
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_failed']);
    const failed = worker.lines.find((line) => line.runId === run.runId && line.event === 'workflow_run_failed');
    expect(failed).toMatchObject({ errorCode: 'HTTP_STATUS', durationMs: expect.any(Number), attemptCount: 2 });
  });

  test('with onError continue leaves its error readable and its output null', async () => {
    const nodes = [
      get('bad', '/status/404?continue', { onError: 'continue' }),
      transform('after', { code: '{% $steps.bad.error.code %}', output: '{% $steps.bad.output %}' }),
    ];
    const run = await platform.run(document(nodes));
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: { code: 'HTTP_STATUS', output: null } });
    expect((await run.steps()).bad?.status).toBe('failed');
  });

  test('is stopped by its timeoutMs', async () => {
    const run = await platform.run(
      document([get('slow', '/slow?delayMs=20000&t', { timeoutMs: 200, retry: { maxAttempts: 1 } })]),
    );
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'TIMEOUT', stepId: 'slow' } });
  });
});

describe('an expression', () => {
  test('that never ends fails its own run and no other', async () => {
    const bomb = platform.run(document([transform('bomb', '{% ($f := function($n) { $f($n + 1) }; $f(0)) %}')]));
    const hog = platform.run(document([transform('hog', '{% $map([1..99999], function($i) { $pad("", 90000) }) %}')]));
    const fine = await platform.run(document([transform('fine', '{% 1 + 1 %}')]));
    expect(await fine.until()).toMatchObject({ status: 'succeeded', output: 2 });
    for (const run of [await bomb, await hog]) {
      const row = await run.until();
      expect(row).toMatchObject({ status: 'failed', error: { code: expect.stringMatching(/^EXPRESSION_/) } });
    }
    expect(worker.isAlive()).toBe(true);
  });

  test('without a value inside text fails before anything is sent', async () => {
    const config = { method: 'GET', url: `${echo.url}/no-value/{% $trigger.input.missing %}` };
    const run = await platform.run(document([{ id: 'a', type: 'http.request', config }]));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'failed', error: { code: 'EXPRESSION_NO_VALUE', stepId: 'a' } });
    expect(row.error?.message).toContain('config.url');
    expect(echo.calls.filter((call) => call.path.startsWith('/no-value'))).toEqual([]);
  });

  test('in the output of the document may fail the run', async () => {
    const run = await platform.run(document([transform('a', 1)], { output: 'x{% $steps.a.output.b %}' }));
    const row = await run.until();
    expect(row).toMatchObject({ status: 'failed', error: { code: 'EXPRESSION_NO_VALUE' } });
  });

  test('may give text that PostgreSQL cannot hold without harm', async () => {
    const nodes = [
      transform('a', '{% $trigger.input.x & $base64decode("AA==") %}'),
      transform('b', '{% $steps.a.output %}'),
    ];
    const run = await platform.run(document(nodes), { input: { x: 'nul' } });
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'nul\uFFFD' });
  });
});

describe('large outputs', () => {
  test('are read again from their rows when a later step needs them', async () => {
    const nodes = [
      transform('big', '{% $trigger.input.text %}'),
      get('call', '/between'),
      transform('use', '{% $steps.big.output %}'),
    ];
    const text = 'x'.repeat(300_000);
    const run = await platform.run(document(nodes, { output: '{% $length($steps.use.output) %}' }), {
      input: { text },
    });
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 300_000 });
  });

  test('given to an expression that is no plain path fail with EXPRESSION_INPUT_TOO_LARGE above 1 MB', async () => {
    const nodes = [transform('size', '{% $length($trigger.input.text) %}')];
    const run = await platform.run(document(nodes), { input: { text: 'x'.repeat(1_100_000) } });
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'EXPRESSION_INPUT_TOO_LARGE' } });
  });

  test('and large inputs that an expression does not read do not count for it', async () => {
    const text = 'x'.repeat(600_000);
    const nodes = [
      transform('size', '{% $length($constants.text) %}'),
      transform('next', '{% $steps.size.output + 1 %}'),
    ];
    const run = await platform.run(document(nodes, { constants: { text } }), { input: { text } });
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 600_001 });
  });
});

describe('a wake-up', () => {
  test('that comes several times executes the run once', async () => {
    const run = await platform.run(document([get('once', '/once?delayMs=300')]), { isAsleep: true });
    const wake = { orgId: platform.orgId, runId: run.runId };
    await Promise.all(Array.from({ length: 5 }, () => platform.queue.wakeRun(wake)));
    expect(await run.until()).toMatchObject({ status: 'succeeded', leaseToken: 1 });
    await platform.queue.wakeRun(wake);
    const next = await platform.run(document([transform('a', 1)]));
    await next.until();
    expect(await run.row()).toMatchObject({ status: 'succeeded', leaseToken: 1 });
    expect(echo.callsTo('/once?delayMs=300')).toHaveLength(1);
  });

  test('with a forged organization, for a run that is gone, or of no known shape does nothing', async () => {
    const run = await platform.run(document([transform('a', 1)]), { isAsleep: true });
    await platform.queue.wakeRun({ orgId: newId(), runId: run.runId });
    await platform.queue.wakeRun({ orgId: platform.orgId, runId: newId() });
    await platform.queue.wakeRun({ orgId: 'x', runId: 'y' });
    const next = await platform.run(document([transform('a', 1)]));
    await next.until();
    expect(await run.row()).toMatchObject({ status: 'queued', leaseToken: 0 });
    expect(worker.isAlive()).toBe(true);
    await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
    await run.until();
  });

  test('that was never sent is made up for by the sweeper', async () => {
    const run = await platform.run(document([transform('a', 1)]), { isAsleep: true });
    expect(await run.until(['succeeded'], 8000)).toMatchObject({ leaseToken: 1 });
  });
});

describe('a stored run that makes no sense', () => {
  test('fails as WORKFLOW_INVALID when its document cannot be run', async () => {
    const run = await platform.run({ version: 'v2', nodes: 'none' });
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'WORKFLOW_INVALID' } });
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_failed']);
  });

  test.each([[{}], [{ format: 1, status: 'running', steps: null, edges: [] }], [[]], ['text']])(
    'fails as INTERNAL when its state is %j, and the worker goes on',
    async (state) => {
      const run = await platform.run(document([transform('a', 1)]), { isAsleep: true });
      const values = [JSON.stringify(state), run.runId];
      await platform.admin.pool.query('UPDATE app.workflow_runs SET state = $1 WHERE id = $2', values);
      await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
      expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'INTERNAL' } });
      expect(worker.isAlive()).toBe(true);
    },
  );

  test('executes alone in its worker after two owners were lost in a row', async () => {
    const other = await platform.run(document([get('a', '/slow?delayMs=1500&other')]));
    await eventually(
      () => echo.callsTo('/slow?delayMs=1500&other').length > 0,
      () => 'the other run is inside',
    );
    const run = await platform.run(document([get('a', '/suspect')]), { isAsleep: true });
    await platform.admin.pool.query(
      `UPDATE app.workflow_runs SET status = 'running', lease_token = 1, lost_claims = 1, started_at = now(),
         lease_until = now() - interval '1 s' WHERE id = $1`,
      [run.runId],
    );
    await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
    expect(await run.until()).toMatchObject({ status: 'succeeded', leaseToken: 2 });
    const otherEnd = (await other.row()).finishedAt;
    expect(Number(echo.callsTo('/suspect')[0]?.at)).toBeGreaterThanOrEqual(Number(otherEnd));
  });

  test('is given up as WORKER_LOST after ten owners were lost in a row', async () => {
    const run = await platform.run(document([transform('a', 1)]), { isAsleep: true });
    await platform.admin.pool.query(
      `UPDATE app.workflow_runs SET status = 'running', lease_token = 9, lost_claims = 9, started_at = now(),
         lease_until = now() - interval '1 s' WHERE id = $1`,
      [run.runId],
    );
    await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'WORKER_LOST' } });
  });
});
