import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';

const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: '{% $trigger.input %}' } }],
};

let platform: TestPlatform;
let admin: pg.Client;

beforeAll(async () => {
  platform = await preparePlatform();
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await platform.stop();
});

async function statuses(): Promise<string[]> {
  const { rows } = await admin.query('SELECT status FROM app.workflow_runs ORDER BY id');
  return rows.map((row) => row.status);
}

it('a run whose API was killed between commit and enqueue is found by the sweeper and ends (R7, R4)', async () => {
  const api = await platform.startApi();
  const client = await signUp(api.url);
  const runs = await publish(client, 'crash', DSL);
  // A hung Redis holds the API between its commit and its answer, long enough to be killed right there.
  platform.redis.freeze();
  const answer = fetch(`${api.url}${client.orgPath}${runs}`, {
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: 'kept' }),
  }).catch(() => 'no answer');
  await eventually('the run to be committed', async () => (await statuses()).length === 1, 400);
  await api.kill('SIGKILL');
  expect(await answer).toBe('no answer');
  platform.redis.thaw();
  expect(await statuses()).toEqual(['queued']);
  await platform.redis.restart(); // also forgets an enqueue that had reached the hung server's socket

  await platform.startWorker();
  await eventually('the sweeper to find it', async () => (await statuses())[0] === 'succeeded', 15_000);
  const { rows } = await admin.query('SELECT output FROM app.workflow_runs');
  expect(rows).toEqual([{ output: 'kept' }]);
}, 60_000);
