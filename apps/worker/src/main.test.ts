import { startTestRedis, type TestRedis } from '@millrace/queue/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPlatform, type TestPlatform } from './testing.ts';
import { startEcho } from './testing-echo.ts';

const redisUrl = process.env.MILLRACE_TEST_REDIS_URL ?? '';

let platform: TestPlatform;
let careless: TestRedis;

beforeAll(async () => {
  platform = await startPlatform(redisUrl);
  careless = await startTestRedis(['--appendonly', 'no']);
});
afterAll(async () => {
  await platform.close();
  await careless.stop();
});

/** The error the program ends with; its exit code must be 1. */
async function refusal(env: Record<string, string>): Promise<string> {
  const worker = await platform.startWorker(env);
  expect(await worker.ended()).toBe(1);
  return String(worker.lines.find((line) => line.event === 'program_failed')?.error);
}

describe('the worker refuses to start', () => {
  test('and names every variable that is wrong', async () => {
    const error = await refusal({ WORKER_DATABASE_URL: 'nowhere', WORKFLOW_QUEUE_CONCURRENCY: 'many' });
    expect(error).toContain('WORKER_DATABASE_URL');
    expect(error).toContain('WORKFLOW_QUEUE_CONCURRENCY');
  });

  test('with an egress rule it cannot read, which it names', async () => {
    const error = await refusal({ EGRESS_ALLOW_CIDRS: '10.0.0.0/8, 10.0.0.1/99' });
    expect(error).toContain('EGRESS_ALLOW_CIDRS');
    expect(error).toContain('10.0.0.1/99');
  });

  test('as a superuser, because row-level security would not bind it', async () => {
    expect(await refusal({ WORKER_DATABASE_URL: platform.db.adminUrl })).toContain('superuser');
  });

  test('in production on a Redis that may forget, which development only warns about', async () => {
    const env = { REDIS_URL: careless.url };
    expect(await refusal({ ...env, NODE_ENV: 'production' })).toContain('append-only');
    const worker = await platform.startWorker(env);
    expect(worker.lines.map((line) => line.event)).toEqual(['program_warning', 'program_started']);
    worker.signal('SIGTERM');
    expect(await worker.ended()).toBe(0);
  });
});

test('a range that covers the platform itself opens everything in it but API, web app, PostgreSQL and Redis', async () => {
  const servers = await Promise.all(['echo', 'api', 'web'].map(() => startEcho((_call, response) => response.end())));
  const [echo, api, web] = servers.map(({ port }) => String(port));
  const worker = await platform.startWorker({
    EGRESS_ALLOW_CIDRS: '127.0.0.0/8',
    ...{ API_PORT: api ?? '', API_HOST: '0.0.0.0', WEB_PORT: web ?? '' },
  });
  const ports = { echo, api, web, postgres: new URL(platform.db.workerUrl).port, redis: new URL(redisUrl).port };
  const nodes = Object.entries(ports).map(([id, port]) => ({
    ...{ id, type: 'http.request', onError: 'continue', retry: { maxAttempts: 1 } },
    config: { method: 'GET', url: `http://127.0.0.2:${port}/` },
  }));
  const node = nodes.find(({ id }) => id === 'echo');
  if (node) node.config.url = `http://127.0.0.1:${echo}/`;
  const document = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes };
  const run = await platform.run(document);
  await run.until(['succeeded']);
  const steps = await run.steps();
  const codes = Object.fromEntries(Object.keys(ports).map((id) => [id, steps[id]?.error?.code ?? steps[id]?.status]));
  const refused = 'EGRESS_REFUSED';
  expect(codes).toEqual({ echo: 'succeeded', api: refused, web: refused, postgres: refused, redis: refused });
  expect(servers.map((server) => server.calls.length)).toEqual([1, 0, 0]);
  worker.signal('SIGTERM');
  expect(await worker.ended()).toBe(0);
  await Promise.all(servers.map((server) => server.close()));
});

test('two signals at once end the worker once and cleanly', async () => {
  const worker = await platform.startWorker();
  worker.signal('SIGINT');
  worker.signal('SIGTERM');
  expect(await worker.ended()).toBe(0);
  expect(worker.lines.filter((line) => line.event === 'program_stopping')).toHaveLength(1);
  expect(worker.lines.filter((line) => line.event === 'program_failed')).toEqual([]);
});
