import { type CallOutcome, callStep } from '@millrace/db/run-calls';
import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { readResumeToken } from '@millrace/shared/resume-urls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  eventually,
  RESUME_TOKEN_KEY,
  startPlatform,
  type TestPlatform,
  type TestRun,
  type TestWorker,
} from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let echo: EchoServer;
let worker: TestWorker;

beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  echo = await startEcho((_call, response) => void response.end('ok'));
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress, WEB_BASE_URL: 'https://flows.example' });
}, 60_000);
afterAll(async () => {
  await platform.close();
  await echo.close();
});

const document = (nodes: object[], rest: object = {}) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes,
  ...rest,
});
const wait = (config: object = {}) => ({ id: 'wait', type: 'wait.webhook', config });
const tell = (path: string) => ({
  id: 'tell',
  type: 'http.request',
  config: { method: 'POST', url: `${echo.url}${path}`, body: { url: '{% $steps.wait.resumeUrl %}' } },
});
const read = { id: 'read', type: 'transform', config: { value: '{% $steps.wait.output.body %}' } };

/** As the API does it: the row first, then the bells, which may not be heard. */
async function callOnly({ runId }: TestRun, stepKey: string, body: unknown): Promise<CallOutcome> {
  const input = { method: 'POST', headers: {}, query: {}, body };
  return withOrg(platform.api, platform.orgId, (tx) => callStep(tx, { runId, stepKey, input }));
}

async function call(run: TestRun, stepKey: string, body: unknown): Promise<CallOutcome> {
  const outcome = await callOnly(run, stepKey, body);
  if (outcome === 'accepted') await wake(run);
  return outcome;
}

async function wake({ runId }: TestRun): Promise<void> {
  await platform.queue.ringOwner(runId);
  await platform.queue.wakeRun({ orgId: platform.orgId, runId });
}

const urlsTold = (path: string) => echo.callsTo(path).map(({ body }) => (JSON.parse(body) as { url: string }).url);

describe('a step that waits for a call', () => {
  test('has an address that an earlier step can send away; what is sent there is its output', async () => {
    const run = await platform.run(document([tell('/address'), wait(), read]));
    expect((await run.until(['waiting'])).nextAttemptAt).toBeNull();
    const url = new URL(urlsTold('/address')[0] ?? '');
    const [token = '', stepKey = ''] = url.pathname.split('/').slice(-2);
    expect(url.origin).toBe('https://flows.example');
    expect(readResumeToken(Buffer.from(RESUME_TOKEN_KEY), token, stepKey)).toEqual({
      orgId: platform.orgId,
      runId: run.runId,
      stepKey: 'wait',
    });
    expect(await call(run, 'wait', { n: 1 })).toBe('accepted');
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: { n: 1 } });
    expect((await run.steps()).wait).toMatchObject({
      status: 'succeeded',
      output: { method: 'POST', headers: {}, query: {}, body: { n: 1 } },
    });
    expect(await call(run, 'wait', { n: 2 })).toBe('known');
    expect(await worker.trace(run.runId)).toEqual([
      'workflow_run_started',
      'workflow_run_waiting',
      'workflow_run_started',
      'workflow_run_succeeded',
    ]);
  });

  test('may be called before it waits: it then never waits', async () => {
    const pause = { id: 'pause', type: 'delay', config: { for: 1_500 } };
    const run = await platform.run(document([pause, wait(), read]));
    await run.until(['waiting']);
    expect(await call(run, 'wait', 'early')).toBe('accepted');
    expect(await call(run, 'wait', 'again')).toBe('known');
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'early' });
  });

  test('has an address of its own in each iteration', async () => {
    const body = { nodes: [tell('/loop'), wait()], output: '{% $steps.wait.output.body %}' };
    const config = { items: [1, 2], concurrency: 2, body };
    const run = await platform.run(document([{ id: 'each', type: 'foreach', config }]));
    await run.until(['waiting']);
    const keys = urlsTold('/loop').map((url) => url.split('/').at(-1));
    expect(keys.toSorted()).toEqual(['each.0.wait', 'each.1.wait']);
    expect(await call(run, 'each.1.wait', 'second')).toBe('accepted');
    expect(await call(run, 'each.0.wait', 'first')).toBe('accepted');
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: ['first', 'second'] });
  });

  test('takes its branch timeout when nobody called in time, and nobody can call it then', async () => {
    const late = { id: 'late', type: 'transform', config: { value: 'nobody called' } };
    const edges = [{ from: 'wait', to: 'late', branch: 'timeout' }];
    const run = await platform.run(document([wait({ timeoutMs: 300 }), late], { edges }));
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 'nobody called' });
    expect(await call(run, 'wait', 1)).toBe('over');
  });

  test('that is skipped, or whose run has ended, cannot be called', async () => {
    const never = { id: 'never', type: 'condition', config: { if: false } };
    const pause = { id: 'pause', type: 'delay', config: { for: 60_000 } };
    const edges = [{ from: 'never', to: 'wait', branch: 'true' }];
    const run = await platform.run(
      document([never, wait(), pause], { edges: [...edges, { from: 'never', to: 'pause' }] }),
    );
    await run.until(['waiting']);
    expect(await call(run, 'wait', 1)).toBe('over');
    await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, run.runId, { type: 'x' }));
    expect(await call(run, 'other', 1)).toBe('over');
  });

  test('a run whose worker was killed hears a call all the same, once', { timeout: 60_000 }, async () => {
    const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
    try {
      const first = await own.startWorker();
      const run = await own.run(document([wait(), read]));
      await run.until(['waiting'], 20_000);
      first.signal('SIGKILL');
      await first.ended();
      const input = { method: 'POST', headers: {}, query: {}, body: 'heard' };
      const heard = await withOrg(own.api, own.orgId, (tx) =>
        callStep(tx, { runId: run.runId, stepKey: 'wait', input }),
      );
      expect(heard).toBe('accepted');
      // Nobody is woken for it: the sweeper of the next worker finds the signal.
      await own.startWorker();
      expect(await run.until(undefined, 30_000)).toMatchObject({ status: 'succeeded', output: 'heard' });
    } finally {
      await own.close();
    }
  });
});

describe('races', () => {
  test('a call and the end of its time: what was accepted is taken in, what came too late heard so; 200 times', {
    timeout: 120_000,
  }, async () => {
    const late = { id: 'late', type: 'transform', config: { value: 'timeout' } };
    const edges = [
      { from: 'wait', to: 'late', branch: 'timeout' },
      { from: 'wait', to: 'read' },
    ];
    const flow = document([wait({ timeoutMs: 500 }), late, read], { edges });
    const ends: Record<string, number> = {};
    for (let round = 0; round < 10; round += 1) {
      const runs = await Promise.all(Array.from({ length: 20 }, () => platform.run(flow)));
      const outcomes = await Promise.all(
        runs.map(async (run, index) => {
          const { nextAttemptAt } = await run.until(['waiting', 'succeeded']);
          const dueInMs = (nextAttemptAt?.getTime() ?? 0) - Date.now();
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueInMs - 20 + index * 3)));
          return call(run, 'wait', 'called');
        }),
      );
      await Promise.all(runs.map((run) => run.until()));
      for (const [index, outcome] of outcomes.entries()) {
        const { read: called, late: missed } = await stepsOf(runs[index] as TestRun);
        expect([outcome, called, missed]).toEqual(
          outcome === 'accepted' ? ['accepted', 'succeeded', 'skipped'] : ['over', 'succeeded', 'succeeded'],
        );
        ends[outcome] = (ends[outcome] ?? 0) + 1;
      }
    }
    expect(Object.values(ends).reduce((sum, count) => sum + count, 0)).toBe(200);
  });

  test('a call and a cancel: one end, and a call that was refused met a run that is cancelled; 200 times', {
    timeout: 120_000,
  }, async () => {
    const flow = document([wait(), read]);
    const ends = { cancelled: 0, succeeded: 0 };
    for (let round = 0; round < 10; round += 1) {
      const runs = await Promise.all(Array.from({ length: 20 }, () => platform.run(flow)));
      await Promise.all(runs.map((run) => run.until(['waiting'])));
      const outcomes = await Promise.all(runs.map((run, index) => callAndCancel(run, index % 3)));
      const rows = await Promise.all(runs.map((run) => run.until()));
      for (const [index, { status, output }] of rows.entries()) {
        if (outcomes[index] !== 'accepted') expect(status).toBe('cancelled');
        expect(output).toBe(status === 'succeeded' ? 'called' : null);
        ends[status as keyof typeof ends] += 1;
      }
    }
    expect(ends.cancelled + ends.succeeded).toBe(200);
  });
});

async function stepsOf(run: TestRun): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await run.steps()).map(([key, { status }]) => [key, status]));
}

/** Cancels before, with or after the call. */
async function callAndCancel(run: TestRun, order: number): Promise<CallOutcome> {
  const cancel = async () => {
    await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, run.runId, { type: 'run.cancel_requested' }));
    await platform.queue.ringOwner(run.runId);
  };
  if (order === 0) return (await Promise.all([call(run, 'wait', 'called'), cancel()]))[0];
  if (order === 1) return (await Promise.all([cancel(), call(run, 'wait', 'called')]))[1];
  const outcome = await call(run, 'wait', 'called');
  await eventually(
    async () => (await run.row()).status !== 'waiting',
    () => 'the call is taken in',
  );
  await cancel();
  return outcome;
}
