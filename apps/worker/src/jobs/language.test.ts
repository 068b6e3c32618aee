import { signalRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const userId = newId();
let platform: TestPlatform;
let worker: TestWorker;
let echo: EchoServer;

/** Steps may call it, and nothing listens there. */
const CLOSED_PORT = 1;

/** `/orders` refuses orders without a good number, `/never` is never answered, `/moved` leads nowhere, all else is mirrored. */
beforeAll(async () => {
  echo = await startEcho(async (call, response) => {
    if (call.path === '/never') return;
    const body = JSON.parse(call.body || 'null');
    if (call.path === '/orders' && body.n === 'bad') response.statusCode = 500;
    if (call.path === '/moved') {
      response.statusCode = 303;
      response.setHeader('location', `http://127.0.0.1:${CLOSED_PORT}/`);
    }
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: `id-${body?.n}` }));
  });
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: `${echo.egress},127.0.0.1/32:${CLOSED_PORT}` });
});

afterAll(async () => {
  await platform.close();
  await echo.close();
});

function document(nodes: object[], rest: object = {}) {
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...rest };
}

function post(id: string, path: string, body: unknown, rest: object = {}) {
  return { id, type: 'http.request', config: { method: 'POST', url: `${echo.url}${path}`, body }, ...rest };
}

async function decide(run: TestRun, stepKey: string, decision: string, value: unknown = null): Promise<void> {
  const payload = { decision, value, note: 'because', by: userId };
  const isHeard = await withOrg(platform.api, platform.orgId, (tx) =>
    signalRun(tx, run.runId, { type: 'decide', stepKey, payload }),
  );
  expect(isHeard).toBe(true);
  await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
}

describe.concurrent('rules 8 to 12: paths and loops', () => {
  test('a switch takes the first case that holds, and a fail ends the run with its own words', async () => {
    const nodes = [
      {
        id: 'size',
        type: 'switch',
        config: {
          cases: [
            { name: 'large', if: '{% $trigger.input.n > 10 %}' },
            { name: 'huge', if: '{% $trigger.input.n > 100 %}' },
          ],
        },
      },
      { id: 'small', type: 'transform', config: { value: 'small' } },
      { id: 'no', type: 'fail', config: { code: 'TOO_LARGE_FOR_US', message: 'We take at most 10.' } },
    ];
    const edges = [
      { from: 'size', to: 'no', branch: 'large' },
      { from: 'size', to: 'small', branch: 'default' },
    ];
    const large = await platform.run(document(nodes, { edges }), { input: { n: 1000 } });
    expect(await large.until()).toMatchObject({
      status: 'failed',
      error: { code: 'TOO_LARGE_FOR_US', message: 'We take at most 10.', stepId: 'no' },
    });
    const small = await platform.run(document(nodes, { edges }), { input: { n: 1 } });
    expect(await small.until()).toMatchObject({ status: 'succeeded', output: 'small' });
  });

  test('example C: a condition inside a foreach settles its own iteration, and failures are collected', async () => {
    const body = {
      output: '{% $steps.send.output.body.id %}',
      nodes: [
        { id: 'paid', type: 'condition', config: { if: '{% $item.paid %}' } },
        post('send', '/orders', '{% $item %}', { retry: { maxAttempts: 2, backoffMs: 10 } }),
      ],
      edges: [{ from: 'paid', to: 'send', branch: 'true' }],
    };
    const each = {
      id: 'each',
      type: 'foreach',
      config: { items: '{% $trigger.input.orders %}', concurrency: 5, onItemError: 'collect', body },
    };
    const orders = [{ n: 1, paid: true }, { n: 2 }, { n: 'bad', paid: true }];
    const run = await platform.run(document([each]), { input: { orders } });
    const error = { code: 'HTTP_STATUS', message: expect.any(String), stepId: 'each.2.send' };
    expect(await run.until()).toMatchObject({
      status: 'succeeded',
      output: ['id-1', null, { error }],
      attemptCount: 2,
    });
    const steps = await run.steps();
    expect(steps['each.1.send']).toMatchObject({ status: 'skipped' });
    expect(steps['each.2.send']).toMatchObject({ status: 'failed', attempt: 2 });
    const keys = echo.calls.map((call) => call.idempotencyKey);
    expect(keys.filter((key) => key === `${run.runId}:each.2.send`)).toHaveLength(2);
    const none = await platform.run(document([each]), { input: {} });
    expect(await none.until()).toMatchObject({ status: 'succeeded', output: [] });
  });

  test('a repeat runs its body until its condition holds, and each turn sees the value of the one before', async () => {
    const body = {
      nodes: [{ id: 'more', type: 'transform', config: { value: '{% ($item ?? 0) + 3 %}' } }],
    };
    const config = { until: '{% $steps.more.output > 8 %}', maxTimes: 10, body };
    const run = await platform.run(document([{ id: 'again', type: 'repeat', config }]));
    expect(await run.until()).toMatchObject({ error: null, status: 'succeeded', output: [3, 6, 9] });
  });

  test('nested loops see their own items and those around them', async () => {
    const inner = {
      id: 'inner',
      type: 'foreach',
      config: {
        items: '{% $row.cells %}',
        as: 'cell',
        body: { nodes: [{ id: 'say', type: 'transform', config: { value: '{% $row.name & $cell & $cellIndex %}' } }] },
      },
    };
    const outer = {
      id: 'outer',
      type: 'foreach',
      config: { items: '{% $trigger.input %}', as: 'row', body: { nodes: [inner] } },
    };
    const input = [
      { name: 'a', cells: ['x', 'y'] },
      { name: 'b', cells: ['z'] },
    ];
    const run = await platform.run(document([outer]), { input });
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: [['ax0', 'ay1'], ['bz0']] });
  });

  test('a loop over 2,000 items ends, and the state of its run stays small', { timeout: 60_000 }, async () => {
    const body = { nodes: [{ id: 'double', type: 'transform', config: { value: { at: '{% $itemIndex %}' } } }] };
    const each = { id: 'each', type: 'foreach', config: { items: '{% $trigger.input %}', concurrency: 10, body } };
    const run = await platform.run(document([each]), { input: Array.from({ length: 2_000 }, (_, n) => n) });
    const { output } = await run.until(undefined, 50_000);
    expect(output).toEqual(Array.from({ length: 2_000 }, (_, at) => ({ at })));
    const { rows } = await platform.admin.pool.query(
      'SELECT length(state::text) AS size FROM app.workflow_runs WHERE id = $1',
      [run.runId],
    );
    expect(rows[0].size).toBeLessThan(2_000);
  });
});

describe.concurrent('rules 13 to 16: waiting, deciding, failing', () => {
  test('a delay gives the worker back and goes on when its time has come', async () => {
    const run = await platform.run(
      document([
        { id: 'pause', type: 'delay', config: { for: 1_500 } },
        { id: 'done', type: 'transform', config: { value: '{% $steps.pause.output.until %}' } },
      ]),
    );
    const waiting = await run.until(['waiting']);
    expect(waiting.nextAttemptAt).toBeInstanceOf(Date);
    const ended = await run.until();
    expect(ended).toMatchObject({ status: 'succeeded', output: waiting.nextAttemptAt?.toISOString() });
    const lateMs = (ended.finishedAt?.getTime() ?? 0) - (waiting.nextAttemptAt?.getTime() ?? 0);
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(await worker.trace(run.runId)).toEqual([
      'workflow_run_started',
      'workflow_run_waiting',
      'workflow_run_started',
      'workflow_run_succeeded',
    ]);
  });

  test.each([
    ['500, approved', 500, 'approved', { by: userId }, 'succeeded'],
    ['500, rejected', 500, 'rejected', { decision: 'rejected', decidedBy: userId, note: 'because' }, 'skipped'],
    ['5', 5, null, { by: null }, 'succeeded'],
  ])('example A with %s', async (_what, total, decision, output, book) => {
    const nodes = [
      { id: 'big', type: 'condition', config: { if: '{% $trigger.input.total > 100 %}' } },
      { id: 'ask', type: 'approval', config: { by: 'admin' } },
      { id: 'book', type: 'transform', config: { value: { by: '{% $steps.ask.output.decidedBy %}' } } },
    ];
    const edges = [
      { from: 'big', to: 'ask', branch: 'true' },
      { from: 'ask', to: 'book', branch: 'approved' },
      { from: 'big', to: 'book', branch: 'false' },
    ];
    const run = await platform.run(document(nodes, { edges }), { input: { total } });
    if (decision !== null) {
      expect((await run.until(['waiting'])).nextAttemptAt).toBeNull();
      await decide(run, 'ask', decision);
    }
    expect(await run.until()).toMatchObject({ status: 'succeeded', output });
    expect((await run.steps()).book).toMatchObject({ status: book });
  });

  test('example D, something missing: the input is null, nothing is sent or tried again, and the error branch is taken', async () => {
    const charge = {
      ...{ id: 'charge', type: 'http.request', onError: 'branch', retry: { maxAttempts: 3, backoffMs: 10 } },
      config: { method: 'POST', url: '{% $trigger.input.url %}', body: { amount: 5 } },
    };
    const nodes = [
      charge,
      { id: 'ok', type: 'transform', config: { value: 'paid' } },
      { id: 'sorry', type: 'transform', config: { value: '{% $steps.charge.error.code %}' } },
    ];
    const edges = [
      { from: 'charge', to: 'ok' },
      { from: 'charge', to: 'sorry', branch: 'error' },
    ];
    const run = await platform.run(document(nodes, { edges }), { input: { other: echo.url } });
    expect(await run.until()).toMatchObject({
      status: 'succeeded',
      error: null,
      output: 'INPUT_INVALID',
      attemptCount: 1,
    });
    expect(await run.steps()).toMatchObject({
      charge: { status: 'failed', attempt: 1, input: { url: null }, error: { code: 'INPUT_INVALID' } },
      ok: { status: 'skipped' },
      sorry: { status: 'succeeded' },
    });
    expect(echo.calls.filter(({ idempotencyKey }) => idempotencyKey === `${run.runId}:charge`)).toEqual([]);
    const complete = await platform.run(document(nodes, { edges }), { input: { url: `${echo.url}/charges` } });
    expect(await complete.until()).toMatchObject({ status: 'succeeded', output: 'paid' });
    expect(echo.callsTo('/charges')).toHaveLength(1);
  });

  test('an approval that nobody gives takes its timeout edge', async () => {
    const nodes = [
      { id: 'ask', type: 'approval', config: { by: 'member', timeoutMs: 300 } },
      { id: 'late', type: 'transform', config: { value: '{% $steps.ask.output.decision %}' } },
    ];
    const run = await platform.run(document(nodes, { edges: [{ from: 'ask', to: 'late', branch: 'timeout' }] }));
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'timeout' });
  });

  test('a run that takes too long fails with RUN_TIMEOUT, and its onFailure says why', async () => {
    const onFailure = { nodes: [post('tell', '/tell', { n: '{% $error.code %}' })] };
    const run = await platform.run(
      document([{ id: 'pause', type: 'delay', config: { for: 'PT1H' } }], {
        settings: { timeoutMs: 3_000, onFailure },
      }),
    );
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'RUN_TIMEOUT' }, output: null });
    expect((await run.steps())['onFailure.tell']).toMatchObject({
      status: 'succeeded',
      input: { body: { n: 'RUN_TIMEOUT' } },
    });
  });

  test.each([
    ['skip', { status: 'succeeded', output: { sent: 'by hand' } }, 1],
    ['fail', { status: 'failed', error: { code: 'OUTCOME_UNKNOWN', stepId: 'pay' } }, 1],
    ['retry', { status: 'succeeded', output: { status: 200, body: { id: 'id-7' } } }, 2],
  ])(
    'an unsafe step whose worker was killed waits for a person: %s',
    { timeout: 60_000 },
    async (decision, end, calls) => {
      const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
      const server = await startEcho(async (call, response) => {
        if (server.callsTo(call.path).length === 1) return;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ id: 'id-7' }));
      });
      try {
        const pay = {
          ...post('pay', '', null, { idempotency: 'none' }),
          config: { method: 'POST', url: `${server.url}/pay`, body: { n: 7 } },
        };
        const first = await own.startWorker({ EGRESS_ALLOW_CIDRS: server.egress });
        const run = await own.run(document([pay]));
        await eventually(
          () => server.callsTo('/pay').length > 0,
          () => 'the payment is sent',
        );
        first.signal('SIGKILL');
        await own.startWorker({ EGRESS_ALLOW_CIDRS: server.egress });
        await run.until(['waiting'], 40_000);
        expect(server.callsTo('/pay')).toHaveLength(1);
        const payload = { decision, value: { sent: 'by hand' }, note: null, by: userId };
        await withOrg(own.api, own.orgId, (tx) =>
          signalRun(tx, run.runId, { type: 'decide', stepKey: 'pay', payload }),
        );
        await own.queue.wakeRun({ orgId: own.orgId, runId: run.runId });
        expect(await run.until()).toMatchObject(end);
        expect(server.callsTo('/pay')).toHaveLength(calls);
      } finally {
        await own.close();
        await server.close();
      }
    },
  );

  test('an unsafe step that is answered too late is not sent again: a person decides', async () => {
    const pay = post('pay', '/never', { n: 1 }, { idempotency: 'none', timeoutMs: 300, retry: { maxAttempts: 3 } });
    const run = await platform.run(document([pay]));
    await run.until(['waiting']);
    expect((await run.steps()).pay).toMatchObject({ status: 'waiting', attempt: 1, error: { code: 'TIMEOUT' } });
    await decide(run, 'pay', 'fail');
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'OUTCOME_UNKNOWN' } });
    expect(echo.callsTo('/never')).toHaveLength(1);
  });

  test('an unsafe step that was received and redirected to nowhere is not sent again: a person decides', async () => {
    const pay = post('pay', '/moved', { n: 1 }, { idempotency: 'none', retry: { maxAttempts: 3, backoffMs: 1 } });
    const run = await platform.run(document([pay]));
    await run.until(['waiting']);
    expect((await run.steps()).pay).toMatchObject({ status: 'waiting', attempt: 1, error: { code: 'NETWORK' } });
    await decide(run, 'pay', 'skip', 'paid');
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'paid' });
    expect(echo.callsTo('/moved')).toHaveLength(1);
  });

  test('a worker killed inside a loop: finished iterations do not run again', { timeout: 60_000 }, async () => {
    const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
    const server = await startEcho(async (call, response) => {
      if (call.path === '/2' && server.callsTo('/2').length === 1) return;
      response.end(call.path);
    });
    try {
      const send = {
        id: 'send',
        type: 'http.request',
        config: { method: 'POST', url: `${server.url}/{% $itemIndex %}` },
      };
      const config = {
        items: '{% $trigger.input %}',
        body: { nodes: [send], output: '{% $steps.send.output.body %}' },
      };
      const first = await own.startWorker({ EGRESS_ALLOW_CIDRS: server.egress });
      const run = await own.run(document([{ id: 'each', type: 'foreach', config }]), { input: [0, 0, 0, 0] });
      await eventually(
        () => server.callsTo('/2').length > 0,
        () => 'the third item is sent',
      );
      first.signal('SIGKILL');
      await own.startWorker({ EGRESS_ALLOW_CIDRS: server.egress });
      expect(await run.until(undefined, 40_000)).toMatchObject({
        status: 'succeeded',
        output: ['/0', '/1', '/2', '/3'],
      });
      expect(server.calls.map((call) => call.path)).toEqual(['/0', '/1', '/2', '/2', '/3']);
    } finally {
      await own.close();
      await server.close();
    }
  });
});
