import { closeDatabase, connectDatabase } from '@millrace/db/connect';
import { claimRun } from '@millrace/db/run-ownership';
import { type CancelOutcome, cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { startTestRedis, type TestRedis } from '@millrace/queue/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let redis: TestRedis;
let platform: TestPlatform;
let echo: EchoServer;
let worker: TestWorker;

/** Answers of requests to `/later...`, once they are to come. */
const later = new Map<string, () => void>();

/** `/held...` is never answered, `/busy...` with 503, anything else at once. */
beforeAll(async () => {
  redis = await startTestRedis();
  platform = await startPlatform(redis.url);
  echo = await startEcho((call, response) => {
    if (call.path.startsWith('/held')) return;
    if (call.path.startsWith('/later')) return void later.set(call.path, () => response.end('late'));
    response.statusCode = call.path.startsWith('/busy') ? 503 : 200;
    response.end('ok');
  });
  worker = await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress });
});
afterAll(async () => {
  await platform.close();
  await echo.close();
  await redis.stop();
});

function document(nodes: object[], edges?: object[]) {
  return { version: 'v2', trigger: { type: 'trigger.manual' }, nodes, ...(edges && { edges }) };
}

function get(id: string, path: string, rest: object = {}) {
  return { id, type: 'http.request', config: { method: 'GET', url: `${echo.url}${path}` }, ...rest };
}

/** As the API does it: the row first, then the bell, which may not be heard. */
async function cancel({ runId }: TestRun, entry: object = { type: 'run.cancel_requested' }): Promise<CancelOutcome> {
  const outcome = await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, runId, entry));
  if (outcome === 'signalled') await platform.queue.ringOwner(runId).catch(() => {});
  return outcome;
}

function untilCalled(path: string): Promise<void> {
  return eventually(
    () => echo.callsTo(path).length > 0,
    () => `a call of ${path}`,
  );
}

async function endedWithin(run: TestRun, askedAt: number): Promise<void> {
  await run.until(['cancelled'], 1_000);
  expect(performance.now() - askedAt).toBeLessThan(1_000);
}

const namesOf = ({ runId }: TestRun) => worker.lines.filter((line) => line.runId === runId).map((line) => line.event);

async function entriesOf({ runId }: TestRun): Promise<{ type: string; stepId?: string }[]> {
  const { rows } = await platform.admin.pool.query(
    'SELECT entries FROM app.workflow_run_events WHERE run_id = $1 ORDER BY number',
    [runId],
  );
  return rows.flatMap(({ entries }) => entries);
}

async function timelineOf(run: TestRun): Promise<string[]> {
  return (await entriesOf(run)).map(({ type }) => type);
}

/** The request is aborted, its error edge is not taken, and the attempt leaves no result. */
async function cancelInRequest(path: string): Promise<void> {
  const nodes = [
    get('slow', path, { onError: 'branch' }),
    get('rescue', `${path}-rescue`),
    get('next', `${path}-next`),
  ];
  const edges = [
    { from: 'slow', to: 'rescue', branch: 'error' },
    { from: 'slow', to: 'next' },
  ];
  const run = await platform.run(document(nodes, edges), { isAsleep: !(await platform.queue.isReady()) });
  await untilCalled(path);
  const askedAt = performance.now();
  expect(await cancel(run)).toBe('signalled');
  await endedWithin(run, askedAt);
  await eventually(
    () => echo.callsTo(path)[0]?.isAborted,
    () => 'the request is aborted',
    1_000,
  );
  const ended = { status: 'cancelled', output: null, error: null };
  expect(await run.steps()).toMatchObject({ slow: ended, rescue: ended, next: ended });
  expect(await run.row()).toMatchObject({
    status: 'cancelled',
    output: null,
    error: null,
    finishedAt: expect.any(Date),
  });
  expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_cancelled']);
  expect(await timelineOf(run)).toEqual([
    'step.running',
    'run.cancel_requested',
    'step.cancelled',
    'step.cancelled',
    'step.cancelled',
    'run.cancelled',
  ]);
  expect(echo.callsTo(`${path}-rescue`)).toEqual([]);
  expect(await cancel(run)).toBe('ended');
}

describe('a cancelled step', () => {
  /** One of two calls is all that the join needs; the other is answered before the record that cancels it is made. */
  async function answerLate(name: string, next: object): Promise<TestRun> {
    const [first, second] = [`/later/${name}/first`, `/later/${name}/second`];
    const join = { id: 'join', type: 'parallel.join', config: { mode: 'any', cancelRest: true } };
    const edges = ['first join', 'second join', 'join next'].map((text) => ({
      from: text.split(' ')[0],
      to: text.split(' ')[1],
    }));
    const run = await platform.run(document([get('first', first), get('second', second), join, next], edges));
    await Promise.all([untilCalled(first), untilCalled(second)]);
    await eventually(
      async () => (await timelineOf(run)).length === 2,
      () => 'both are recorded as running',
    );
    const holder = await platform.admin.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM app.workflow_runs WHERE id = $1 FOR UPDATE', [run.runId]);
      later.get(first)?.();
      await eventually(
        async () => (await holder.query(WAITING_FOR_LOCK)).rowCount !== 0,
        () => 'the record waits',
      );
      later.get(second)?.();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await holder.query('COMMIT');
    } finally {
      holder.release(true);
    }
    return run;
  }

  test('drops a result that comes too late, and the timeline of its run says so', async () => {
    const run = await answerLate('noted', get('next', '/held/after-late'));
    await eventually(
      async () => (await timelineOf(run)).includes('step.late_result'),
      () => 'the late result is noted',
    );
    const late = { type: 'step.late_result', stepId: 'second', attempt: 1 };
    expect((await entriesOf(run)).filter(({ type }) => type === 'step.late_result')).toEqual([late]);
    expect((await run.steps()).second).toMatchObject({ status: 'cancelled', output: null, error: null });
    expect(await cancel(run)).toBe('signalled');
    await run.until(['cancelled']);
  });

  test('notes nothing once its run has ended, or belongs to nobody', async () => {
    const ended = await answerLate('ended', give('next'));
    expect(await ended.until()).toMatchObject({ status: 'succeeded', output: 'next' });
    const parted = await answerLate('parted', { id: 'next', type: 'delay', config: { for: 'PT1H' } });
    await parted.until(['waiting']);
    await (await platform.run(document([get('a', '/after')]))).until(['succeeded']);
    for (const run of [ended, parted]) expect(await timelineOf(run)).not.toContain('step.late_result');
    expect(await cancel(parted)).toBe('cancelled');
  });
});

/** Sessions of the database that wait for whoever asks. */
const WAITING_FOR_LOCK = 'SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))';

describe('a cancelled run', () => {
  test('ends within a second in the middle of a request, which is aborted', () => cancelInRequest('/held/bell'));

  test('ends within a second while an expression is evaluated', async () => {
    const forever = '{% ($f := function($n) { $f($n + 1) }; $f(0)) %}';
    const nodes = [get('first', '/first'), { id: 'bomb', type: 'transform', config: { value: forever } }];
    const run = await platform.run(document(nodes, [{ from: 'first', to: 'bomb' }]));
    // The result of an outside effect is stored before anything is evaluated.
    await eventually(
      async () => (await run.steps()).first?.status === 'succeeded',
      () => 'the evaluation begins',
    );
    const askedAt = performance.now();
    expect(await cancel(run)).toBe('signalled');
    await endedWithin(run, askedAt);
    expect(await run.steps()).toMatchObject({
      first: { status: 'succeeded' },
      bomb: { status: 'cancelled', error: null },
    });
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_cancelled']);
    const fine = await platform.run(document([{ id: 'a', type: 'transform', config: { value: '{% 1 + 1 %}' } }]));
    expect(await fine.until()).toMatchObject({ status: 'succeeded', output: 2 });
  });

  test('that waits for a retry ends at once, and its wake-up does nothing', async () => {
    const run = await platform.run(
      document([get('busy', '/busy', { retry: { maxAttempts: 3, backoffMs: 400, jitter: false } })]),
    );
    await eventually(
      async () => (await run.row()).nextAttemptAt !== null,
      () => 'the run waits',
    );
    const calls = echo.callsTo('/busy').length;
    expect(await cancel(run)).toBe('cancelled');
    const row = await run.row();
    expect(row).toMatchObject({ status: 'cancelled', error: null });
    await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
    const after = await platform.run(document([get('a', '/after')]));
    await after.until(['succeeded']);
    expect(await run.row()).toEqual(row);
    expect(echo.callsTo('/busy')).toHaveLength(calls);
    expect(await run.steps()).toMatchObject({ busy: { status: 'cancelled' } });
  });

  test.each(['in a loop', 'in a loop that is in another', 'after a failure'])(
    'has the same steps whether its owner ended it or nobody owned it: %s',
    async (place) => {
      const parted = await stepsOfCancelled(place, '/quick');
      const owned = await stepsOfCancelled(place, `/held/${place.replaceAll(' ', '-')}`);
      expect(parted).toEqual(owned);
      const prefix = { 'in a loop': 'each.1.', 'after a failure': 'onFailure.' }[place] ?? 'outer.1.each.1.';
      expect(parted).toMatchObject({ [`${prefix}nap`]: 'cancelled 1', [`${prefix}last`]: 'cancelled 0 never began' });
    },
  );

  test('whose owner was lost before it heard of it sends nothing more', async () => {
    const run = await platform.run(document([get('a', '/lost')]), { isAsleep: true });
    await claimForeign(run);
    expect(await cancel(run)).toBe('signalled');
    await loseOwner(run);
    expect(await run.until(['cancelled'])).toMatchObject({ leaseToken: 2, lostClaims: 0 });
    expect(await run.steps()).toMatchObject({ a: { status: 'cancelled' } });
    expect(echo.callsTo('/lost')).toEqual([]);
    await worker.trace(run.runId);
    expect(namesOf(run)).toEqual(['workflow_run_started', 'workflow_run_cancelled']);
  });

  test('whose owners keep dying ends too, though it may not be executed beside others', async () => {
    const other = await platform.run(document([get('a', '/held/other')]));
    await untilCalled('/held/other');
    const run = await platform.run(document([get('a', '/suspect')]), { isAsleep: true });
    await claimForeign(run);
    expect(await cancel(run)).toBe('signalled');
    await platform.admin.pool.query('UPDATE app.workflow_runs SET lost_claims = 1 WHERE id = $1', [run.runId]);
    await loseOwner(run);
    expect(await run.until(['cancelled'], 6_000)).toMatchObject({ leaseToken: 2 });
    expect(echo.callsTo('/suspect')).toEqual([]);
    expect((await other.row()).status).toBe('running');
    await cancel(other);
    await other.until(['cancelled']);
  });

  test('and a run that ends by itself at that moment have exactly one end, 1,000 times', {
    timeout: 120_000,
  }, async () => {
    const ends = { cancelled: 0, succeeded: 0 };
    const workflow = document([get('a', '/quick'), get('b', '/quick')]);
    for (let round = 0; round < 50; round += 1) {
      const runs = await Promise.all(Array.from({ length: 20 }, () => platform.run(workflow)));
      const outcomes = await Promise.all(runs.map((run, index) => cancelLater(run, index)));
      const rows = await Promise.all(runs.map((run) => run.until()));
      for (const [index, run] of runs.entries()) {
        const { status } = rows[index] ?? { status: '' };
        const isByOwner = outcomes[index] !== 'cancelled';
        if (isByOwner) await worker.trace(run.runId);
        const ended = namesOf(run).filter((name) => /_(succeeded|failed|cancelled)$/.test(name ?? ''));
        expect(ended).toEqual(isByOwner ? [`workflow_run_${status}`] : []);
        if (!isByOwner) expect(status).toBe('cancelled');
        ends[status as keyof typeof ends] += 1;
      }
      expect(await Promise.all(runs.map((run) => cancel(run)))).toEqual(runs.map(() => 'ended'));
      expect(await Promise.all(runs.map((run) => run.row()))).toEqual(rows);
    }
    expect(ends.cancelled + ends.succeeded).toBe(1_000);
    expect(ends.cancelled).toBeGreaterThan(0);
    expect(ends.succeeded).toBeGreaterThan(0);
  });

  test('ends within a second although Redis was killed', async () => {
    const path = '/held/no-bell';
    const run = await platform.run(document([get('slow', path)]));
    await untilCalled(path);
    await redis.kill();
    const askedAt = performance.now();
    expect(await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, run.runId, { type: 'x' }))).toBe(
      'signalled',
    );
    await endedWithin(run, askedAt);
    await eventually(
      () => echo.callsTo(path)[0]?.isAborted,
      () => 'the request is aborted',
      1_000,
    );
    expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_cancelled']);
    await redis.restart();
  });
});

/**
 * The states of all steps but `slow`, of a run that was cancelled while it waited in that place for a timer, and for the
 * answer of `path`: with none coming the run has an owner.
 */
async function stepsOfCancelled(place: string, path: string): Promise<Record<string, string>> {
  const nodes = [give('first'), { id: 'nap', type: 'delay', config: { for: 'PT1H' } }, give('last'), get('slow', path)];
  const edges = ['first nap', 'nap last', 'first slow'].map((text) => ({
    from: text.split(' ')[0],
    to: text.split(' ')[1],
  }));
  const body = { nodes, edges };
  const each = loop('each', body);
  const documents: Record<string, object> = {
    'in a loop': document([each, give('end')]),
    'in a loop that is in another': document([loop('outer', { nodes: [each, give('next')] })]),
    'after a failure': {
      ...document([{ id: 'bad', type: 'fail', config: { message: 'No.' } }, give('end')]),
      settings: { onFailure: body },
    },
  };
  const run = await platform.run(documents[place] ?? {});
  const isOwned = path !== '/quick';
  await eventually(
    async () => {
      const [{ status }, steps] = [await run.row(), Object.entries(await run.steps())];
      const naps = steps.filter(([key, step]) => key.endsWith('nap') && step.status === 'waiting').length;
      const wanted = { 'in a loop': 2, 'after a failure': 1 }[place] ?? 4;
      return naps === wanted && status === (isOwned ? 'running' : 'waiting');
    },
    () => 'the run waits',
  );
  expect(await cancel(run)).toBe(isOwned ? 'signalled' : 'cancelled');
  await run.until(['cancelled']);
  const { rows } = await platform.admin.pool.query(
    `SELECT step_key AS key, concat_ws(' ', status, attempt, CASE WHEN started_at IS NULL THEN 'never began' END) AS step
     FROM app.workflow_run_steps WHERE run_id = $1 AND step_key NOT LIKE '%slow'`,
    [run.runId],
  );
  return Object.fromEntries(rows.map(({ key, step }) => [key, step]));
}

function give(id: string): object {
  return { id, type: 'transform', config: { value: id } };
}

function loop(id: string, body: object): object {
  return { id, type: 'foreach', config: { items: [1, 2], concurrency: 2, as: `${id}Item`, body } };
}

/** Some other worker owns the run. */
async function claimForeign({ runId }: TestRun): Promise<void> {
  const url = platform.db.workerUrl;
  const db = connectDatabase({ url, poolSize: 1, applicationName: 'other-worker', onError: () => {} });
  const claim = await claimRun(db, { orgId: platform.orgId, runId, leaseMs: 60_000 });
  expect(claim.status).toBe('claimed');
  await closeDatabase(db);
}

async function loseOwner({ runId }: TestRun): Promise<void> {
  await platform.admin.pool.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [
    runId,
  ]);
  await platform.queue.wakeRun({ orgId: platform.orgId, runId });
}

/** After as many answers of the database as `index` says: spread over the life of the run. */
async function cancelLater(run: TestRun, index: number): Promise<CancelOutcome> {
  for (let turns = 0; turns < index; turns += 1) await run.row();
  return await cancel(run);
}
