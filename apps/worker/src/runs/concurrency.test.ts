import type { ServerResponse } from 'node:http';
import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

let platform: TestPlatform;
let echo: EchoServer;
let workers: TestWorker[];
const atOnce = { now: 0, most: 0 };
function countOverlap(response: ServerResponse): void {
  atOnce.now += 1;
  atOnce.most = Math.max(atOnce.most, atOnce.now);
  setTimeout(() => {
    atOnce.now -= 1;
    response.end('{}');
  }, 30);
}
/** Answers of requests to /slow/..., which wait until they are let go. */
const slow = new Map<string, () => void>();

beforeAll(async () => {
  echo = await startEcho(({ path }, response) => {
    if (path.startsWith('/slow')) slow.set(path, () => response.end('{}'));
    else if (path === '/three') countOverlap(response);
    else response.end('{}');
  });
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  const env = { EGRESS_ALLOW_CIDRS: echo.egress, SWEEP_INTERVAL_MS: '200' };
  workers = await Promise.all([platform.startWorker(env), platform.startWorker(env)]);
});
afterAll(async () => {
  await platform.close();
  await echo.close();
});

function limited(concurrency: object, path: string, rest: object = {}) {
  return {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    settings: { concurrency },
    nodes: [{ id: 'call', type: 'http.request', config: { method: 'GET', url: `${echo.url}${path}` } }],
    ...rest,
  };
}

const BY_CUSTOMER = { limit: 1, key: '{% $trigger.input.customer %}', whenFull: 'queue' };
const PATH_BY_RUN = '/{% $trigger.input.path %}';

async function rowOf(runId: string): Promise<{ status: string; heldBy: string | null; startedAt: Date | null }> {
  const { rows } = await platform.admin.pool.query(
    'SELECT status, held_by AS "heldBy", started_at AS "startedAt" FROM app.workflow_runs WHERE id = $1',
    [runId],
  );
  return rows[0];
}
const untilHeld = (run: TestRun) =>
  eventually(
    async () => (await rowOf(run.runId)).heldBy === 'concurrency',
    () => 'the run waits for a place',
  );
const untilCalled = (path: string) =>
  eventually(
    () => echo.callsTo(path).length > 0,
    () => `a call to ${path}`,
  );
async function timelineOf(runId: string): Promise<{ type: string }[]> {
  const { rows } = await platform.admin.pool.query(
    'SELECT entries FROM app.workflow_run_events WHERE run_id = $1 ORDER BY number',
    [runId],
  );
  return rows.flatMap(({ entries }) => entries);
}
function letGo(path: string): void {
  slow.get(path)?.();
}

/** A workflow that knows its own id. */
async function publishSelf(documentOf: (id: string) => object): Promise<string> {
  const id = newId();
  const values = [platform.orgId, id, JSON.stringify(documentOf(id))];
  await platform.admin.pool.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     VALUES ($1, $2, 'Self', $3, 1, 'published', now())`,
    values,
  );
  await platform.admin.pool.query(
    'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, $3)',
    values,
  );
  return id;
}

/** Began and ended, of every run of the workflow, in the order of their ids. */
async function spansOf(workflowId: string): Promise<{ id: string; from: number; to: number; customer: unknown }[]> {
  const { rows } = await platform.admin.pool.query(
    `SELECT id, extract(epoch FROM started_at)::float8 AS from, extract(epoch FROM finished_at)::float8 AS to,
       input -> 'customer' AS customer
     FROM app.workflow_runs WHERE workflow_id = $1 ORDER BY id`,
    [workflowId],
  );
  return rows;
}

/** What no run may leave behind once all have ended. */
async function placesLeft(workflowId: string): Promise<number> {
  const { rows } = await platform.admin.pool.query(
    'SELECT count(*)::int AS count FROM app.workflow_runs WHERE workflow_id = $1 AND concurrency_key IS NOT NULL',
    [workflowId],
  );
  return rows[0].count;
}

describe.concurrent('settings.concurrency', () => {
  test('queue: one run of a key at a time, the oldest first, while other keys go on', { timeout: 60_000 }, async () => {
    const workflowId = await platform.publish(limited(BY_CUSTOMER, PATH_BY_RUN));
    const start = (customer: unknown, path: string) => platform.runOf(workflowId, { input: { customer, path } });
    const first = await start({ id: 1, name: 'a' }, 'slow/first');
    await untilCalled('/slow/first');
    const waiting: TestRun[] = [];
    for (let n = 0; n < 6; n += 1) waiting.push(await start({ name: 'a', id: 1 }, `fifo/${n}`));
    for (const run of waiting) await untilHeld(run);
    expect(await rowOf(waiting[0]?.runId ?? '')).toEqual({ status: 'queued', heldBy: 'concurrency', startedAt: null });
    expect(await timelineOf(waiting[0]?.runId ?? '')).toMatchObject([{ type: 'run.held', limit: 1 }]);
    expect(await (await start('other', 'other')).until()).toMatchObject({ status: 'succeeded' });
    letGo('/slow/first');
    for (const run of [first, ...waiting]) expect(await run.until()).toMatchObject({ status: 'succeeded' });
    const spans = (await spansOf(workflowId)).filter(({ customer }) => customer !== 'other');
    for (const [n, span] of spans.slice(1).entries()) expect(span.from).toBeGreaterThanOrEqual(spans[n]?.to ?? 0);
    const names = workers.flatMap(({ lines }) => lines.filter(({ runId }) => runId === waiting[3]?.runId));
    expect(names.map(({ event }) => event)).toEqual(['workflow_run_started', 'workflow_run_succeeded']);
    await eventually(
      async () => (await placesLeft(workflowId)) === 0,
      () => 'every place is given on',
    );
  });

  test('keys that differ as JSON are different keys, and no value is one of its own', async () => {
    const nodes = [{ id: 'ask', type: 'approval', config: { by: 'member' } }];
    const workflowId = await platform.publish(limited(BY_CUSTOMER, '/', { nodes }));
    const start = (input: object) => platform.runOf(workflowId, { input });
    for (const customer of [5, '5', null, 'null', 'json:5'])
      expect(await (await start({ customer })).until(['waiting'])).toMatchObject({ status: 'waiting' });
    for (const input of [{ customer: 5 }, { customer: '5' }, {}]) await untilHeld(await start(input));
  });

  test('skip: a run that finds no place ends as cancelled and says why', async () => {
    const workflowId = await platform.publish(limited({ limit: 1, whenFull: 'skip' }, PATH_BY_RUN));
    const first = await platform.runOf(workflowId, { input: { path: 'slow/skip' } });
    await untilCalled('/slow/skip');
    const second = await platform.runOf(workflowId, { input: { path: 'skipped' } });
    expect(await second.until()).toMatchObject({ status: 'cancelled', error: { code: 'CONCURRENCY_LIMIT' } });
    expect(await second.steps()).toMatchObject({ call: { status: 'cancelled' } });
    expect(await timelineOf(second.runId)).toMatchObject([
      { type: 'run.cancelled', error: { code: 'CONCURRENCY_LIMIT' } },
    ]);
    letGo('/slow/skip');
    expect(await first.until()).toMatchObject({ status: 'succeeded' });
    expect(echo.callsTo('/skipped')).toEqual([]);
    const third = await platform.runOf(workflowId, { input: { path: 'third' } });
    expect(await third.until()).toMatchObject({ status: 'succeeded' });
  });

  test('cancelOldest: a new run begins once the oldest one, which is cancelled, has stopped', async () => {
    const workflowId = await platform.publish(limited({ limit: 1, whenFull: 'cancelOldest' }, PATH_BY_RUN));
    const first = await platform.runOf(workflowId, { input: { path: 'slow/oldest' } });
    await untilCalled('/slow/oldest');
    const second = await platform.runOf(workflowId, { input: { path: 'newer' } });
    expect(await second.until()).toMatchObject({ status: 'succeeded' });
    expect(await first.until()).toMatchObject({ status: 'cancelled' });
    expect(echo.callsTo('/slow/oldest')[0]).toMatchObject({ isAborted: true });
    expect(await timelineOf(first.runId)).toContainEqual(
      expect.objectContaining({ type: 'run.cancel_requested', reason: 'CONCURRENCY_LIMIT', forRunId: second.runId }),
    );
    const [older, newer] = await spansOf(workflowId);
    expect(newer?.from).toBeGreaterThanOrEqual(older?.to ?? Number.POSITIVE_INFINITY);
  });

  test('cancelOldest: a run that only waits is cancelled here and now', async () => {
    const nodes = [{ id: 'ask', type: 'approval', config: { by: 'member' } }];
    const workflowId = await platform.publish(limited({ limit: 1, whenFull: 'cancelOldest' }, '/', { nodes }));
    const first = await platform.runOf(workflowId);
    await first.until(['waiting']);
    const second = await platform.runOf(workflowId);
    await second.until(['waiting']);
    expect(await first.row()).toMatchObject({ status: 'cancelled' });
  });

  test('a run that waits for a person keeps its place, and a cancelled one gives it on', async () => {
    const nodes = [{ id: 'ask', type: 'approval', config: { by: 'member' } }];
    const workflowId = await platform.publish(limited({ limit: 1, whenFull: 'queue' }, '/', { nodes }));
    const first = await platform.runOf(workflowId);
    await first.until(['waiting']);
    const second = await platform.runOf(workflowId);
    await untilHeld(second);
    await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, first.runId, { type: 'run.cancel_requested' }));
    await second.until(['waiting']);
  });

  test('a run that waits for its own place, by a subworkflow, ends with the time of its workflow, and so does the other', async () => {
    const workflowId = await publishSelf((id) => ({
      ...{ version: 'v2', trigger: { type: 'trigger.manual' } },
      settings: { concurrency: { limit: 1, whenFull: 'queue' }, timeoutMs: 1_500 },
      nodes: [{ id: 'again', type: 'subworkflow', config: { workflowId: id } }],
    }));
    const run = await platform.runOf(workflowId);
    expect(await run.until()).toMatchObject({ status: 'failed', error: { code: 'RUN_TIMEOUT' } });
    const select = 'SELECT status FROM app.workflow_runs WHERE parent_run_id = $1';
    await eventually(
      async () => (await platform.admin.pool.query(select, [run.runId])).rows[0]?.status === 'cancelled',
      () => 'the run that was held is cancelled',
    );
  });

  test('a held run is cancelled at once, and a key that cannot be evaluated fails the run', async () => {
    const workflowId = await platform.publish(limited({ limit: 1, whenFull: 'queue' }, PATH_BY_RUN));
    await platform.runOf(workflowId, { input: { path: 'slow/held' } });
    await untilCalled('/slow/held');
    const held = await platform.runOf(workflowId, { input: { path: 'held' } });
    await untilHeld(held);
    const outcome = await withOrg(platform.api, platform.orgId, (tx) =>
      cancelRun(tx, held.runId, { type: 'run.cancel_requested' }),
    );
    expect(outcome).toBe('cancelled');
    letGo('/slow/held');
    const bad = await platform.run(limited({ ...BY_CUSTOMER, key: '{% $trigger.input + 1 %}' }, '/bad'), {
      input: 'x',
    });
    expect(await bad.until()).toMatchObject({ status: 'failed', attemptCount: 0 });
    expect(echo.callsTo('/bad')).toEqual([]);
  });

  test('a limit of three is never exceeded by 60 runs on two workers', { timeout: 90_000 }, async () => {
    const workflowId = await platform.publish(limited({ limit: 3, whenFull: 'queue' }, '/three'));
    const runs = await Promise.all(Array.from({ length: 60 }, () => platform.runOf(workflowId)));
    for (const run of runs) expect(await run.until(undefined, 80_000)).toMatchObject({ status: 'succeeded' });
    expect(echo.callsTo('/three')).toHaveLength(60);
    expect(atOnce.most).toBeLessThanOrEqual(3);
    expect(atOnce.most).toBeGreaterThan(1);
    await eventually(
      async () => (await placesLeft(workflowId)) === 0,
      () => 'every place is given on',
    );
  });
});
