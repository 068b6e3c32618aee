import { createHmac, randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Client, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { type Api, preparePlatform, type TestPlatform } from './platform.ts';

/** Accepted means stored: whatever is killed around a delivery, it ends as exactly one run. */

const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.webhook', config: { signature: { scheme: 'github' } } },
  nodes: [{ id: 'one', type: 'transform', config: { value: '{% $trigger.input.body.n %}' } }],
};

let platform: TestPlatform;
let admin: pg.Client;
let api: Api;
let client: Client;
let workflowPath: string;
let token: string;
const secret = `canary-${randomBytes(24).toString('base64url')}`;

beforeAll(async () => {
  platform = await preparePlatform();
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
  api = await platform.startApi();
  client = await signUp(api.url);
  const { workflow } = await client.call('POST', '/workflows', { name: 'Hook', dsl: DSL });
  workflowPath = `/workflows/${workflow?.id}`;
  await client.call('PUT', `${workflowPath}/hook-secret`, { secret });
  const published = await client.call('POST', `${workflowPath}/publish`, {});
  token = published.workflow?.hookUrl?.split('/').at(-1) ?? '';
}, 60_000);
beforeEach(async () => {
  await admin.query('DELETE FROM app.hook_deliveries');
  await admin.query('DELETE FROM app.workflow_runs');
});
afterEach(async () => {
  await admin.query('ROLLBACK');
});
afterAll(async () => {
  await admin.end();
  await platform.stop();
});

async function deliver(url: string, n: number, id = randomBytes(8).toString('hex')) {
  const body = JSON.stringify({ n });
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const response = await fetch(`${url}/v1/hooks/${token}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-delivery': id,
      'x-hub-signature-256': `sha256=${signature}`,
    },
    body,
  });
  return { status: response.status, body: (await response.json()) as { deliveryId: string } };
}

const readRuns = async () =>
  (await admin.query('SELECT id, status, output, trigger_type AS type FROM app.workflow_runs ORDER BY id')).rows;
const readDeliveries = async () => (await admin.query('SELECT id, run_id FROM app.hook_deliveries ORDER BY id')).rows;
const allSucceeded = async (count: number) => {
  const runs = await readRuns();
  return runs.length === count && runs.every(({ status }) => status === 'succeeded');
};

it('R4: deliveries are accepted while Redis is killed, and their runs end once it is back', async () => {
  const worker = await platform.startWorker();
  await platform.redis.kill();
  const answers = await Promise.all([1, 2, 3].map((n) => deliver(api.url, n)));
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
  expect((await readRuns()).map(({ status }) => status)).toEqual(['queued', 'queued', 'queued']);
  await platform.redis.restart();
  await eventually('the runs to end', () => allSucceeded(3), 30_000);
  expect((await readRuns()).map(({ output }) => output).toSorted()).toEqual([1, 2, 3]);
  await worker.kill('SIGKILL');
}, 60_000);

it('T11: 20 deliveries of one name over two APIs at the same moment make one run', async () => {
  const [second, worker] = [await platform.startApi(), await platform.startWorker()];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, nth) => deliver((nth % 2 ? api : second).url, 7, 'x')),
  );
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.deliveryId}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(202);
  await eventually('the run to end', () => allSucceeded(1), 15_000);
  await Promise.all([second.kill('SIGKILL'), worker.kill('SIGKILL')]);
}, 60_000);

/** An API that dies between the commit of a delivery and its run: the table that the run needs is locked. */
async function dieBeforeTheRun(n: number): Promise<void> {
  const dying = await platform.startApi();
  await admin.query('BEGIN');
  await admin.query('LOCK TABLE app.workflow_runs IN ACCESS EXCLUSIVE MODE');
  const answer = deliver(dying.url, n).catch(() => 'no answer');
  await eventually('the delivery to be stored', async () => (await readDeliveries()).length === 1, 15_000);
  const blocked = `FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%make_hook_run%'
    AND datname = current_database()`;
  const select = async (what: string) => {
    // Else a transaction keeps seeing what it saw first of this view.
    await admin.query('SELECT pg_stat_clear_snapshot()');
    return (await admin.query(`SELECT ${what} ${blocked}`)).rowCount;
  };
  // By the request, and on a slow machine also by the sweeper of the same API.
  await eventually('the run to be tried', async () => (await select('')) !== 0, 15_000);
  await dying.kill('SIGKILL');
  expect(await answer).toBe('no answer');
  // The server goes on with the statement of a client that is gone; that of an API whose machine died would be lost.
  await eventually('it to be gone', async () => (await select('pg_terminate_backend(pid)')) === 0, 15_000);
  await admin.query('ROLLBACK');
}

it('a delivery whose API was killed before its run is made into one by the sweeper of a worker', async () => {
  await api.kill('SIGKILL');
  await dieBeforeTheRun(11);
  expect([(await readDeliveries()).length, (await readRuns()).length]).toEqual([1, 0]);
  const worker = await platform.startWorker();
  await eventually('the run to end', () => allSucceeded(1), 20_000);
  const [[delivery], [run]] = [await readDeliveries(), await readRuns()];
  expect(run).toEqual({ id: delivery.run_id, status: 'succeeded', output: 11, type: 'trigger.webhook' });
  expect(worker.events).toContainEqual(
    expect.objectContaining({ event: 'workflow_run_enqueued', requestId: null, userId: null, runId: run.id }),
  );
  await worker.kill('SIGKILL');
}, 60_000);

it('a delivery whose API was killed before its run is made into one by the sweeper of an API, also without Redis', async () => {
  await dieBeforeTheRun(12);
  await platform.redis.kill();
  api = await platform.startApi();
  await eventually('the run to be made', async () => (await readRuns()).length === 1, 20_000);
  await platform.redis.restart();
  const worker = await platform.startWorker();
  await eventually('it to end', () => allSucceeded(1), 20_000);
  await worker.kill('SIGKILL');
}, 60_000);

it('R5: a delivery runs the version that accepted it, though its workflow is changed and disabled in the same moment', async () => {
  await api.kill('SIGKILL');
  await dieBeforeTheRun(13);
  api = await platform.startApi({ SWEEP_INTERVAL_MS: '60000' });
  const call = (method: string, path: string, body?: object) =>
    fetch(`${api.url}${client.orgPath}${workflowPath}${path}`, {
      method,
      headers: client.headers,
      body: JSON.stringify(body ?? {}),
    });
  const nodes = [{ id: 'one', type: 'transform', config: { value: 'changed' } }];
  const changes = [
    await call('PATCH', '', { dsl: { ...DSL, nodes }, revision: 1 }),
    await call('POST', '/publish'),
    await call('POST', '/disable'),
    await deliver(api.url, 14),
  ];
  expect(changes.map(({ status }) => status)).toEqual([200, 200, 200, 409]);
  const worker = await platform.startWorker();
  await eventually('the run to end', () => allSucceeded(1), 20_000);
  expect((await readRuns()).map(({ output }) => output)).toEqual([13]);
  await worker.kill('SIGKILL');
}, 60_000);
