import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { type Api, preparePlatform, type TestPlatform } from './platform.ts';

let platform: TestPlatform;
let admin: pg.Client;

beforeAll(async () => {
  platform = await preparePlatform();
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin?.end();
  await platform?.stop();
});

/** A connection that stays open after its answer, as those of browsers and proxies do. */
async function keepAlive(url: string): Promise<Agent> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [answer] = (await once(get(`${url}/healthz`, { agent }), 'response')) as [IncomingMessage];
  expect(answer.headers.connection).toBe('keep-alive');
  await once(answer.resume(), 'end');
  return agent;
}

async function stopIn(api: Api): Promise<number> {
  const began = performance.now();
  await api.kill('SIGTERM');
  return performance.now() - began;
}

it('an API that is told to stop waits for no client that only keeps its connection', async () => {
  const api = await platform.startApi();
  const agents = await Promise.all(Array.from({ length: 5 }, () => keepAlive(api.url)));
  const silent = connect(Number(new URL(api.url).port), '127.0.0.1');
  await once(silent, 'connect');
  silent.on('error', () => undefined);
  await keepAlive(api.url); // by now the API has accepted the silent connection too
  expect(await stopIn(api)).toBeLessThan(5_000);
  for (const agent of agents) agent.destroy();
});

it('an API that is told to stop answers what is under way, and says that the connection ends with it', async () => {
  const api = await platform.startApi();
  const client = await signUp(api.url);
  const nodes = [{ id: 'one', type: 'transform', config: { value: 1 } }];
  const runs = await publish(client, 'stop', { version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
  // Holds the accept in the middle of its statement.
  await admin.query('BEGIN');
  await admin.query('LOCK TABLE app.workflow_runs IN EXCLUSIVE MODE');
  const answering = fetch(`${api.url}${client.orgPath}${runs}`, {
    method: 'POST',
    headers: client.headers,
    body: JSON.stringify({ input: 1 }),
  });
  await eventually('the accept to wait', async () => {
    const { rows } = await admin.query('SELECT FROM pg_locks WHERE NOT granted');
    return rows.length > 0;
  });
  const stopped = stopIn(api);
  await eventually('the stop to begin', () => api.events.some(({ event }) => event === 'program_stopping'));
  await admin.query('COMMIT');
  const answer = await answering;
  expect([answer.status, answer.headers.get('connection')]).toEqual([201, 'close']);
  expect(await stopped).toBeLessThan(10_000);
}, 60_000);
