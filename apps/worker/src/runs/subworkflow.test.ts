import { startChildRun } from '@millrace/db/child-runs';
import { closeDatabase, connectDatabase } from '@millrace/db/connect';
import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let echo: EchoServer;
let worker: TestWorker;

/** `/held...` is never answered. */
beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  echo = await startEcho((call, response) => {
    if (!call.path.startsWith('/held')) response.end('ok');
  });
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
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
const call = (workflowId: string, config: object = {}, rest: object = {}) => ({
  id: 'call',
  type: 'subworkflow',
  config: { workflowId, ...config },
  ...rest,
});
const transform = (id: string, value: unknown) => ({ id, type: 'transform', config: { value } });
const PAUSE = { id: 'pause', type: 'delay', config: { for: 'PT1H' } };

interface Child {
  id: string;
  status: string;
  type: string;
  depth: number;
  stepKey: string;
  error: { code: string } | null;
}

async function childrenOf(runId: string, on = platform): Promise<Child[]> {
  const { rows } = await on.admin.pool.query<Child>(
    `SELECT id, status, trigger_type AS type, depth, parent_step_key AS "stepKey", error FROM app.workflow_runs
     WHERE parent_run_id = $1 ORDER BY id`,
    [runId],
  );
  return rows;
}

async function timelineOf(runId: string): Promise<{ type: string }[]> {
  const { rows } = await platform.admin.pool.query(
    'SELECT entries FROM app.workflow_run_events WHERE run_id = $1 ORDER BY number',
    [runId],
  );
  return rows.flatMap(({ entries }) => entries);
}

/** As an API that dies right after its commit: nobody is told. */
const cancelSilently = (runId: string, on = platform) =>
  withOrg(on.api, on.orgId, (tx) => cancelRun(tx, runId, { type: 'run.cancel_requested' }));

const untilStatus = (runId: string, status: string, on = platform) =>
  eventually(
    async () => {
      const { rows } = await on.admin.pool.query('SELECT status FROM app.workflow_runs WHERE id = $1', [runId]);
      return rows[0]?.status === status;
    },
    () => `the run ${runId} is ${status}`,
    20_000,
  );

async function untilChild(run: TestRun, status = 'waiting'): Promise<Child> {
  let child: Child | undefined;
  await eventually(
    async () => {
      [child] = await childrenOf(run.runId);
      return child?.status === status;
    },
    () => `a child that is ${status}: ${JSON.stringify(child)}`,
  );
  return child as Child;
}

describe('a step that calls a workflow', () => {
  test('waits for its run without a worker, and has its output', async () => {
    const workflowId = await platform.publish(
      document([{ ...PAUSE, config: { for: 700 } }, transform('sum', '{% $trigger.input.n + 1 %}')]),
    );
    const run = await platform.run(document([call(workflowId, { input: { n: '{% $trigger.input %}' } })]), {
      input: 41,
    });
    expect((await run.until(['waiting'])).nextAttemptAt).toBeNull();
    expect(await run.until()).toMatchObject({ status: 'succeeded', output: 42 });
    const [child, ...others] = await childrenOf(run.runId);
    expect([child, others]).toMatchObject([
      { status: 'succeeded', type: 'trigger.subworkflow', depth: 1, stepKey: 'call' },
      [],
    ]);
    expect(await timelineOf(run.runId)).toContainEqual({
      type: 'step.child_started',
      stepId: 'call',
      childRunId: child?.id,
    });
    expect(await worker.trace(String(child?.id))).toEqual([
      'workflow_run_enqueued',
      'workflow_run_started',
      'workflow_run_waiting',
      'workflow_run_started',
      'workflow_run_succeeded',
    ]);
    expect(await worker.trace(run.runId)).toEqual([
      'workflow_run_started',
      'workflow_run_waiting',
      'workflow_run_started',
      'workflow_run_succeeded',
    ]);
  });

  test('goes on at once with wait: false, whatever becomes of the run', async () => {
    const workflowId = await platform.publish(document([{ id: 'no', type: 'fail', config: { message: 'no' } }]));
    const run = await platform.run(document([call(workflowId, { wait: false })]));
    const { status, output } = await run.until();
    const [child] = await childrenOf(run.runId);
    expect([status, output]).toEqual(['succeeded', { runId: child?.id }]);
    await untilStatus(String(child?.id), 'failed');
  });

  test('runs the pinned version, and the latest without one', async () => {
    const workflowId = await platform.publish(document([transform('a', 'first')]));
    await platform.admin.pool.query(
      'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 2, $3)',
      [platform.orgId, workflowId, JSON.stringify(document([transform('a', 'second')]))],
    );
    await platform.admin.pool.query('UPDATE app.workflows SET version = 2 WHERE id = $1', [workflowId]);
    const pinned = await platform.run(document([call(workflowId, { version: 1 })]));
    const latest = await platform.run(document([call(workflowId, { version: 'latest' })]));
    expect([(await pinned.until()).output, (await latest.until()).output]).toEqual(['first', 'second']);
  });

  test('fails when its run fails, and says why; its error branch is taken', async () => {
    const workflowId = await platform.publish(
      document([{ id: 'no', type: 'fail', config: { code: 'TOO_BAD', message: 'Sad.' } }]),
    );
    const failed = await platform.run(document([call(workflowId)]));
    expect(await failed.until()).toMatchObject({
      status: 'failed',
      error: { code: 'SUBWORKFLOW_FAILED', message: expect.stringContaining('TOO_BAD: Sad.'), stepId: 'call' },
    });
    const edges = [{ from: 'call', to: 'rescue', branch: 'error' }];
    const nodes = [call(workflowId, {}, { onError: 'branch' }), transform('rescue', '{% $steps.call.error.code %}')];
    const rescued = await platform.run(document(nodes, { edges }));
    expect(await rescued.until()).toMatchObject({ status: 'succeeded', output: 'SUBWORKFLOW_FAILED' });
  });

  test('starts no run that may not be, and names the reason', async () => {
    const trigger = { type: 'trigger.manual', config: { inputSchema: { type: 'object', required: ['n'] } } };
    const strict = await platform.publish(document([transform('a', 1)], { trigger }));
    const disabled = await platform.publish(document([transform('a', 1)]));
    await platform.admin.pool.query('UPDATE app.workflows SET is_enabled = false WHERE id = $1', [disabled]);
    const orgId = newId();
    await platform.admin.pool.query('INSERT INTO app.organizations (id, slug, name) VALUES ($1, $2, $2)', [
      orgId,
      orgId,
    ]);
    const foreign = newId();
    await platform.admin.pool.query(
      `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
       VALUES ($1, $2, 'Foreign', '{}', 1, 'published', now())`,
      [orgId, foreign],
    );
    const reasons = [
      [call(newId()), 'SUBWORKFLOW_NOT_FOUND'],
      [call(foreign), 'SUBWORKFLOW_NOT_FOUND'],
      [call(disabled), 'SUBWORKFLOW_DISABLED'],
      [call(strict, { version: 2 }), 'SUBWORKFLOW_NOT_PUBLISHED'],
      [call(strict, { input: { m: 1 } }), 'SUBWORKFLOW_INPUT_INVALID'],
    ] as const;
    for (const [node, code] of reasons) {
      const run = await platform.run(document([node]));
      expect(await run.until()).toMatchObject({ status: 'failed', error: { code, stepId: 'call' } });
      expect(await childrenOf(run.runId)).toEqual([]);
    }
  });

  test('that calls its own workflow stops at 10 runs below the first', { timeout: 60_000 }, async () => {
    const own = newId();
    const flow = JSON.stringify(document([call(own)]));
    await platform.admin.pool.query(
      `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
       VALUES ($1, $2, 'Own', $3, 1, 'published', now())`,
      [platform.orgId, own, flow],
    );
    await platform.admin.pool.query(
      'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, $3)',
      [platform.orgId, own, flow],
    );
    const run = await platform.run(document([call(own)]));
    expect(await run.until(undefined, 50_000)).toMatchObject({
      status: 'failed',
      error: { code: 'SUBWORKFLOW_FAILED' },
    });
    const { rows } = await platform.admin.pool.query(
      'SELECT depth, error FROM app.workflow_runs WHERE workflow_id = $1 ORDER BY depth',
      [own],
    );
    expect(rows.map(({ depth }) => depth)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(rows.at(-1)?.error).toMatchObject({ code: 'SUBWORKFLOW_TOO_DEEP' });
  });

  test('starts its run exactly once, however many workers try at the same moment', async () => {
    const workflowId = await platform.publish(document([PAUSE]));
    const run = await platform.run(document([PAUSE]), { isAsleep: true });
    await platform.admin.pool.query(
      `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status) VALUES ($1, $2, 'call', 'subworkflow', 'running')`,
      [platform.orgId, run.runId],
    );
    const url = platform.db.workerUrl;
    const db = connectDatabase({ url, poolSize: 20, applicationName: 'other-workers', onError: () => {} });
    const child = { workflowId, pinnedVersion: null, version: 1, maxAttempts: 1, input: null, isAwaited: true };
    const parent = { orgId: platform.orgId, runId: run.runId };
    const start = () => startChildRun(db, { parent, stepKey: 'call', runId: newId(), ...child });
    const outcomes = (await Promise.all(Array.from({ length: 20 }, start))).map(({ outcome }) => outcome);
    expect(outcomes.toSorted()).toEqual([...Array(19).fill('known'), 'started']);
    await platform.admin.pool.query(
      `UPDATE app.workflow_run_steps SET status = 'cancelled', finished_at = now() WHERE run_id = $1`,
      [run.runId],
    );
    expect((await start()).outcome).toBe('fenced');
    await closeDatabase(db);
  });
});

describe('the end of one run means something to another', () => {
  test('cancelling a run that waits cancels those it waits for, and theirs, though nobody is told', async () => {
    const inner = await platform.publish(document([PAUSE]));
    const middle = await platform.publish(document([call(inner)]));
    const run = await platform.run(document([call(middle), transform('after', 1)]));
    const child = await untilChild(run);
    await eventually(
      async () => (await childrenOf(child.id))[0]?.status === 'waiting',
      () => 'the grandchild waits',
    );
    await run.until(['waiting']);
    expect(await cancelSilently(run.runId)).toBe('cancelled');
    await untilStatus(child.id, 'cancelled');
    const [grandchild] = await childrenOf(child.id);
    await untilStatus(String(grandchild?.id), 'cancelled');
    expect(await run.steps()).toMatchObject({ call: { status: 'cancelled' }, after: { status: 'cancelled' } });
  });

  test('so does a run that its worker cancels, fails, or cuts short; the runs it does not wait for go on', async () => {
    const inner = await platform.publish(document([PAUSE]));
    const held = { id: 'held', type: 'http.request', config: { method: 'GET', url: `${echo.url}/held` } };
    const free = call(inner, { wait: false });
    const cancelled = await platform.run(
      document(
        [call(inner), held, { ...free, id: 'free' }, { id: 'end', type: 'parallel.join', config: { mode: 'all' } }],
        {
          edges: ['call', 'held', 'free'].map((from) => ({ from, to: 'end' })),
        },
      ),
    );
    await eventually(
      async () => (await childrenOf(cancelled.runId)).filter(({ status }) => status === 'waiting').length === 2,
      () => 'both children wait',
    );
    expect(await cancelSilently(cancelled.runId)).toBe('signalled');
    await cancelled.until(['cancelled']);
    const [awaited, other] = (await childrenOf(cancelled.runId)).toSorted((a, b) => a.stepKey.localeCompare(b.stepKey));
    await untilStatus(String(awaited?.id), 'cancelled');
    const timedOut = await platform.run(document([call(inner)], { settings: { timeoutMs: 1_500 } }));
    const late = await untilChild(timedOut);
    expect(await timedOut.until(['failed'])).toMatchObject({ error: { code: 'RUN_TIMEOUT' } });
    await untilStatus(late.id, 'cancelled');
    const edges = ['call', 'fast'].map((from) => ({ from, to: 'first' }));
    const first = { id: 'first', type: 'parallel.join', config: { mode: 'any', cancelRest: true } };
    const fast = { id: 'fast', type: 'delay', config: { for: 1_000 } };
    const joined = await platform.run(document([call(inner), fast, first], { edges }));
    expect(await joined.until()).toMatchObject({ status: 'succeeded' });
    for (const { id } of await childrenOf(joined.runId)) await untilStatus(id, 'cancelled');
    await untilStatus(String(other?.id), 'waiting');
  });

  test('a run whose child is cancelled, or deleted after its end, does not wait for ever', async () => {
    const [inner, second] = [await platform.publish(document([PAUSE])), await platform.publish(document([PAUSE]))];
    const left = await platform.run(document([call(inner)]));
    const child = await untilChild(left);
    await left.until(['waiting']);
    expect(await cancelSilently(child.id)).toBe('cancelled');
    expect(await left.until()).toMatchObject({ error: { message: expect.stringContaining('was cancelled') } });
    const bereft = await platform.run(document([call(second)]));
    const gone = await untilChild(bereft);
    await bereft.until(['waiting']);
    expect(await cancelSilently(gone.id)).toBe('cancelled');
    await platform.admin.pool.query('DELETE FROM app.workflows WHERE id = $1', [second]);
    expect(await bereft.until()).toMatchObject({ status: 'failed', error: { code: 'SUBWORKFLOW_FAILED' } });
  });

  test('a child that ended while no worker and no Redis was told is heard of by the next worker', {
    timeout: 60_000,
  }, async () => {
    const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
    try {
      const first = await own.startWorker();
      const inner = await own.publish(document([PAUSE]));
      const run = await own.run(document([call(inner)]));
      await run.until(['waiting']);
      const [child] = await childrenOf(run.runId, own);
      await untilStatus(String(child?.id), 'waiting', own);
      first.signal('SIGKILL');
      await first.ended();
      expect(await cancelSilently(String(child?.id), own)).toBe('cancelled');
      await own.startWorker();
      expect(await run.until(undefined, 30_000)).toMatchObject({
        status: 'failed',
        error: { code: 'SUBWORKFLOW_FAILED' },
      });
    } finally {
      await own.close();
    }
  });

  test('workers killed at any moment: every step starts one run, and every parent hears of its end', {
    timeout: 120_000,
  }, async () => {
    const own = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
    try {
      const inner = await own.publish(document([transform('a', '{% $trigger.input * 2 %}')]));
      const body = { nodes: [call(inner, { input: '{% $item %}' })] };
      const each = { id: 'each', type: 'foreach', config: { items: [1, 2, 3, 4], concurrency: 2, body } };
      let living = await own.startWorker();
      const runs = await Promise.all(Array.from({ length: 8 }, () => own.run(document([each]), { isAsleep: true })));
      for (let kill = 0; kill < 4; kill += 1) {
        await new Promise((resolve) => setTimeout(resolve, 60 + 90 * kill));
        living.signal('SIGKILL');
        await living.ended();
        living = await own.startWorker();
      }
      for (const run of runs) {
        expect(await run.until(undefined, 60_000)).toMatchObject({ status: 'succeeded', output: [2, 4, 6, 8] });
        expect((await childrenOf(run.runId, own)).map(({ stepKey }) => stepKey).toSorted()).toEqual(
          [0, 1, 2, 3].map((index) => `each.${index}.call`),
        );
      }
      const { rows } = await own.admin.pool.query('SELECT count(*)::integer AS left FROM app.child_run_events');
      expect(rows).toEqual([{ left: 0 }]);
    } finally {
      await own.close();
    }
  });
});
