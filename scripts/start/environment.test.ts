import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEnvironments } from './environment.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-environment-'));
});
afterEach(() => rm(dir, { recursive: true }));

const environments = (base: NodeJS.ProcessEnv, egressRule?: string) =>
  createEnvironments({
    base,
    dataDir: dir,
    secretsDir: dir,
    apiDatabaseUrl: 'postgres://app_api@db/millrace',
    workerDatabaseUrl: 'postgres://app_worker@db/millrace',
    redisUrl: 'redis://redis',
    apiHost: '127.0.0.1',
    apiPort: 3001,
    apiUrl: 'http://127.0.0.1:3001',
    web: { host: '127.0.0.1', port: 3000, url: 'http://localhost:3000' },
    compileCacheDir: dir,
    egressRule,
    oauth: {},
  });

it('the worker’s steps and the API’s webhooks may reach the same private addresses', async () => {
  const { api, worker } = await environments({ EGRESS_ALLOW_CIDRS: '10.0.0.0/8' }, '127.0.0.1/32:4390');
  expect(api.EGRESS_ALLOW_CIDRS).toBe('10.0.0.0/8,127.0.0.1/32:4390');
  expect(worker.EGRESS_ALLOW_CIDRS).toBe(api.EGRESS_ALLOW_CIDRS);
  expect((await environments({})).api.EGRESS_ALLOW_CIDRS).toBe('');
});

it('each program gets the secrets that it needs, and none of the other', async () => {
  const { api, worker, web } = await environments({
    DATABASE_URL: 'postgres://owner:canary@db/millrace',
    SMTP_URL: 'smtp://user:canary@mail',
    GOOGLE_CLIENT_SECRET: 'canary',
    AUTH_TOKEN_SECRET: 'canary',
  });
  expect(JSON.stringify(worker)).not.toContain('canary');
  expect(JSON.stringify(web)).not.toContain('canary');
  expect([web.REDIS_URL, web.API_URL]).toEqual([undefined, 'http://127.0.0.1:3001']);
  expect(api).toMatchObject({
    SMTP_URL: 'smtp://user:canary@mail',
    GOOGLE_CLIENT_SECRET: 'canary',
    AUTH_TOKEN_SECRET: 'canary',
  });
  expect(api.DATABASE_URL).toBeUndefined();
  expect(api.WORKER_DATABASE_URL).toBeUndefined();
});
