import { connect } from 'node:net';
import { startFaultProxy, startTestRedis } from '@millrace/queue/testing';
import { describe, expect, test } from 'vitest';
import { LEASE_MS } from '../runs/lease.ts';
import { eventually, startPlatform, type TestPlatform, type TestRun } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const redisUrl = process.env.MILLRACE_TEST_REDIS_URL ?? '';

/** `/slow?ms=9000` answers after that time when called for the first time, at once afterwards; `/held` when released. */
async function withPlatform(
  body: (platform: TestPlatform, echo: EchoServer, release: () => void) => Promise<void>,
  redis: string = redisUrl,
): Promise<void> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const echo = await startEcho(async (call, response) => {
    if (call.path === '/held') await released;
    const ms = Number(new URL(call.path, 'http://echo').searchParams.get('ms') ?? 0);
    setTimeout(() => response.end('ok'), echo.callsTo(call.path).length === 1 ? ms : 0);
  });
  const platform = await startPlatform(redis);
  try {
    await body(platform, echo, release);
  } finally {
    await platform.close();
    await echo.close();
  }
}

function chain(echo: EchoServer, ...paths: string[]) {
  const nodes = paths.map((path, index) => ({
    id: `s${index}`,
    type: 'http.request',
    config: {
      method: 'POST',
      url: `${echo.url}${path}`,
      headers: { authorization: '{% "Bearer s3" & "cret" %}' },
      body: { r: '{% $random() %}' },
    },
  }));
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
}

function untilCalled(echo: EchoServer, path: string): Promise<void> {
  return eventually(
    () => echo.callsTo(path).length > 0,
    () => `a call of ${path}`,
  );
}

/** R2: nothing calls out for a step once its row says that it has ended. */
async function expectNoCallAfterItsEnd(run: TestRun, echo: EchoServer, paths: string[]): Promise<void> {
  const steps = await run.steps();
  paths.forEach((path, index) => {
    const finishedAt = steps[`s${index}`]?.finishedAt?.getTime() ?? 0;
    const calls = echo.callsTo(path);
    expect(calls.length).toBeGreaterThan(0);
    for (const call of calls) expect(call.at.getTime()).toBeLessThanOrEqual(finishedAt);
    expect(new Set(calls.map((call) => call.idempotencyKey))).toEqual(new Set([`${run.runId}:s${index}`]));
    expect(new Set(calls.map((call) => call.body)).size).toBe(1);
    // R6: every attempt brings the credential, whoever makes it, and it is stored by none.
    expect(new Set(calls.map((call) => call.authorization))).toEqual(new Set(['Bearer s3cret']));
    expect(steps[`s${index}`]?.input).toMatchObject({ headers: { authorization: '[hidden]' } });
  });
}

describe.concurrent('a run survives', () => {
  test('a worker that is killed in the middle of a step, and no finished step runs again', { timeout: 60_000 }, () =>
    withPlatform(async (platform, echo) => {
      const paths = ['/first', '/slow?ms=60000', '/last'];
      const worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const run = await platform.run(chain(echo, ...paths));
      await untilCalled(echo, '/slow?ms=60000');
      worker.signal('SIGKILL');
      const second = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const row = await run.until(['succeeded'], 30_000);
      expect(row).toMatchObject({ leaseToken: 2, attemptCount: 1 });
      expect(echo.calls.map((call) => call.path)).toEqual(['/first', '/slow?ms=60000', '/slow?ms=60000', '/last']);
      await expectNoCallAfterItsEnd(run, echo, paths);
      // Between them the two told the trace of one run.
      expect(worker.lines.filter((line) => line.runId === run.runId).map((line) => line.event)).toEqual([
        'workflow_run_started',
      ]);
      expect(await second.trace(run.runId)).toEqual(['workflow_run_succeeded']);
    }),
  );

  test('a worker that freezes longer than its lease: when it wakes it is fenced', { timeout: 60_000 }, () =>
    withPlatform(async (platform, echo) => {
      const paths = ['/first', '/slow?ms=60000', '/last'];
      const zombie = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const run = await platform.run(chain(echo, ...paths));
      await untilCalled(echo, '/slow?ms=60000');
      zombie.signal('SIGSTOP');
      const second = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const row = await run.until(['succeeded'], 30_000);
      zombie.signal('SIGCONT');
      await eventually(
        () => zombie.lines.some((line) => line.event === 'run_lease_lost' && line.runId === run.runId),
        () => `the zombie notices: ${JSON.stringify(zombie.lines)}`,
      );
      const next = await platform.run(chain(echo, '/next'));
      await next.until(['succeeded']);
      expect(await run.row()).toEqual(row);
      const finished = [...zombie.lines, ...second.lines].filter(
        (line) => line.runId === run.runId && /_(succeeded|failed)$/.test(line.event ?? ''),
      );
      expect(finished).toHaveLength(1);
      await expectNoCallAfterItsEnd(run, echo, paths);
      expect(zombie.isAlive()).toBe(true);
    }),
  );

  test('SIGTERM between two steps: the next worker goes on at once', { timeout: 60_000 }, () =>
    withPlatform(async (platform, echo, release) => {
      const paths = ['/held', '/last'];
      const worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const run = await platform.run(chain(echo, ...paths));
      await untilCalled(echo, '/held');
      const second = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      worker.signal('SIGTERM');
      await eventually(
        () => worker.lines.some((line) => line.event === 'program_stopping'),
        () => 'the worker stops',
      );
      release();
      expect(await worker.ended()).toBe(0);
      expect(await run.until(['succeeded'], 5000)).toMatchObject({ lostClaims: 0, leaseToken: 2, attemptCount: 1 });
      expect(echo.calls.map((call) => call.path)).toEqual(paths);
      expect(await second.trace(run.runId)).toEqual(['workflow_run_succeeded']);
    }),
  );

  test(
    'SIGTERM before an unsafe step was sent: the next worker sends it, and nobody is asked',
    { timeout: 60_000 },
    () =>
      withPlatform(async (platform, echo, release) => {
        const { nodes, ...rest } = chain(echo, '/held', '/pay');
        const worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
        const run = await platform.run({ ...rest, nodes: nodes.map((node) => ({ ...node, idempotency: 'none' })) });
        await untilCalled(echo, '/held');
        worker.signal('SIGTERM');
        await eventually(
          () => worker.lines.some((line) => line.event === 'program_stopping'),
          () => 'the worker stops',
        );
        release();
        expect(await worker.ended()).toBe(0);
        await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
        expect(await run.until(['succeeded'])).toMatchObject({ lostClaims: 0, leaseToken: 2, attemptCount: 1 });
        expect(echo.calls.map((call) => call.path)).toEqual(['/held', '/pay']);
      }),
  );

  test('SIGTERM in a step that takes too long: it is handed over within 20 s', { timeout: 60_000 }, () =>
    withPlatform(async (platform, echo) => {
      const paths = ['/slow?ms=60000', '/last'];
      const worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const run = await platform.run(chain(echo, ...paths));
      await untilCalled(echo, '/slow?ms=60000');
      await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const signalledAt = performance.now();
      worker.signal('SIGTERM');
      worker.signal('SIGINT');
      expect(await worker.ended()).toBe(0);
      expect(performance.now() - signalledAt).toBeLessThan(20_000);
      expect(await run.until(['succeeded'], 5000)).toMatchObject({ lostClaims: 0, leaseToken: 2, attemptCount: 1 });
      await expectNoCallAfterItsEnd(run, echo, paths);
    }),
  );

  test('a Redis that forgets everything', { timeout: 60_000 }, async () => {
    const redis = await startTestRedis();
    try {
      await withPlatform(async (platform, echo) => {
        const runs = await Promise.all(['/a', '/b', '/c'].map((path) => platform.run(chain(echo, path))));
        await redis.kill();
        await redis.restart();
        await flush(redis.url);
        await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
        for (const run of runs) await run.until(['succeeded']);
        expect(echo.calls).toHaveLength(3);
      }, redis.url);
    } finally {
      await redis.stop();
    }
  });

  test(
    'a PostgreSQL that says nothing for longer than the lease: the attempt is aborted and the worker can end',
    { timeout: 60_000 },
    () =>
      withPlatform(async (platform, echo) => {
        const direct = new URL(platform.db.workerUrl);
        const proxy = await startFaultProxy(Number(direct.port));
        const viaProxy = new URL(direct);
        viaProxy.port = String(proxy.port);
        const env = { EGRESS_ALLOW_CIDRS: echo.egress, WORKER_DATABASE_URL: viaProxy.href };
        const worker = await platform.startWorker(env);
        const run = await platform.run(chain(echo, '/slow?ms=60000', '/last'));
        await untilCalled(echo, '/slow?ms=60000');
        await proxy.setFault({ type: 'black-hole' });
        worker.signal('SIGTERM');
        await eventually(
          () => worker.lines.some((line) => line.event === 'run_lease_lost'),
          () => 'the worker gives the run up by itself',
          20_000,
        );
        await eventually(
          () => echo.calls[0]?.isAborted,
          () => 'the request is aborted',
        );
        expect(echo.callsTo('/last')).toEqual([]);
        const second = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
        expect(await run.until(['succeeded'], 20_000)).toMatchObject({ attemptCount: 1 });
        await expectNoCallAfterItsEnd(run, echo, ['/slow?ms=60000', '/last']);
        expect(await second.trace(run.runId)).toEqual(['workflow_run_succeeded']);
        // Its queries never end, which may not keep it from ending.
        await worker.ended();
        await proxy.stop();
      }),
  );

  test(
    'an answer to its last record that never comes: the end is told once, by who recorded it',
    { timeout: 90_000 },
    () =>
      withPlatform(async (platform, echo, release) => {
        const direct = new URL(platform.db.workerUrl);
        const proxy = await startFaultProxy(Number(direct.port));
        const viaProxy = new URL(direct);
        viaProxy.port = String(proxy.port);
        const worker = await platform.startWorker({
          EGRESS_ALLOW_CIDRS: echo.egress,
          WORKER_DATABASE_URL: viaProxy.href,
        });
        const run = await platform.run(chain(echo, '/held'));
        await untilCalled(echo, '/held');
        const held = { of: 'workflow_run_steps', release };
        await holdStatement(platform, held, () => proxy.setFault({ type: 'black-hole' }));
        expect(await run.until(['succeeded'])).toMatchObject({ leaseToken: 1 });
        await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
        await proxy.setFault({ type: 'reset' });
        await proxy.setFault({ type: 'none' });
        const told = () => worker.lines.filter((line) => line.runId === run.runId).map((line) => line.event);
        await eventually(
          () => told().includes('workflow_run_succeeded'),
          () => `the end to be told: ${told()}`,
          40_000,
        );
        expect(told()).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
        await proxy.stop();
      }),
  );

  test('an answer to its claim that never comes: whoever takes it over tells of its start', { timeout: 60_000 }, () =>
    withPlatform(async (platform, echo) => {
      const proxy = await startFaultProxy(Number(new URL(platform.db.workerUrl).port));
      const viaProxy = new URL(platform.db.workerUrl);
      viaProxy.port = String(proxy.port);
      const env = { EGRESS_ALLOW_CIDRS: echo.egress, WORKER_DATABASE_URL: viaProxy.href };
      const worker = await platform.startWorker(env);
      const run = await platform.run(chain(echo, '/quick'), { isAsleep: true });
      const release = () => void platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
      await holdStatement(platform, { of: 'workflow_runs', release }, () => proxy.setFault({ type: 'black-hole' }));
      await eventually(
        async () => (await run.row()).leaseToken === 1,
        () => 'the claim to be stored',
      );
      await proxy.setFault({ type: 'reset' });
      await proxy.setFault({ type: 'none' });
      expect(await run.until(['succeeded'], 30_000)).toMatchObject({ leaseToken: 2 });
      expect(echo.callsTo('/quick')).toHaveLength(1);
      expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
      await proxy.stop();
    }),
  );

  // The lock makes statements of the worker stand where the fault finds them, and each pause lets some through: on a slow
  // machine faults without a pause or an end would let nothing through, ever.
  test.each([
    ['connections that are cut', 'pg_terminate_backend'],
    ['statements that are cancelled', 'pg_cancel_backend'],
  ])('PostgreSQL %s again and again', { timeout: 60_000 }, (_what, fault) =>
    withPlatform(async (platform, echo) => {
      const paths = Array.from({ length: 8 }, (_, index) => `/step${index}?ms=150`);
      const worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
      const run = await platform.run(chain(echo, ...paths));
      let isOver = false;
      const hitting = (async () => {
        let hits = 0;
        while (!isOver && hits < 5) {
          hits += await hitStatements(platform, run.runId, fault);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        return hits;
      })();
      const row = await run.until(['succeeded'], 50_000).finally(() => {
        isOver = true;
      });
      expect(await hitting).toBeGreaterThan(0);
      expect(row).toMatchObject({ error: null });
      await expectNoCallAfterItsEnd(run, echo, paths);
      expect(worker.isAlive()).toBe(true);
    }),
  );
});

/** Lets something begin that makes a program write to this table, and calls `during` while its statement waits for that. */
async function holdStatement(
  { admin }: TestPlatform,
  held: { of: string; release: () => void },
  during: () => Promise<void>,
): Promise<void> {
  const client = await admin.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(`LOCK TABLE app.${held.of} IN EXCLUSIVE MODE`);
    held.release();
    await eventually(
      async () => {
        const { rows } = await client.query('SELECT FROM pg_locks WHERE NOT granted AND database = $1', [
          (await client.query('SELECT oid FROM pg_database WHERE datname = current_database()')).rows[0].oid,
        ]);
        return rows.length > 0;
      },
      () => 'the statement to wait',
    );
    await during();
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

/** Answers how many statements of the worker were hit while they waited for the run's row. */
async function hitStatements({ admin }: TestPlatform, runId: string, fault: string): Promise<number> {
  const client = await admin.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM app.workflow_runs WHERE id = $1 FOR UPDATE', [runId]);
    for (let tries = 0, hits = 0; ; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      // Else a transaction keeps seeing what it saw first of this view.
      await client.query('SELECT pg_stat_clear_snapshot()');
      const { rows } = await client.query<{ hits: number }>(
        `SELECT (count(*) FILTER (WHERE ${fault}(pid)))::integer AS hits FROM pg_stat_activity
         WHERE usename = 'app_worker' AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
      hits += rows[0]?.hits ?? 0;
      if (hits === 0 && tries < 20) continue;
      await client.query('COMMIT');
      return hits;
    }
  } finally {
    client.release();
  }
}

async function flush(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write('FLUSHALL\r\n'));
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
