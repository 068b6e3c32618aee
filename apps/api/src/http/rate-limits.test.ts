import { eventually, type FaultProxy, startFaultProxy, startTestRedis, type TestRedis } from '@millrace/queue/testing';
import type { ApiConfig } from '@millrace/shared/config';
import { refreshSession } from '@millrace/shared/contracts/auth';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { buildApp } from '../app.ts';
import { closeDeps, openDeps } from '../deps.ts';
import { call, openTestApi, readCookie, signUpUser, type TestApi } from '../testing.ts';
import { loadContracts } from './testing.ts';

const LIMIT = 10;
/** Public, and harmless to repeat: nothing that a stranger could guess goes in. */
const UNLIMITED = ['refreshSession', 'logOut', 'logOutAll', 'listSignInProviders'];

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

async function open(overrides: Partial<ApiConfig> = {}): Promise<TestApi> {
  const api = await openTestApi({
    RATE_LIMIT_SIGN_IN_PER_MIN: LIMIT,
    RATE_LIMIT_LINK_PER_MIN: LIMIT,
    ...overrides,
  });
  cleanups.push(() => api.close());
  return api;
}

const isConnected = (api: TestApi) => eventually('the link is up', () => api.deps.limitsLink.redis.status === 'ready');
const keysOf = (api: TestApi, pattern: string) =>
  api.deps.limitsLink.run(() => api.deps.limitsLink.redis.keys(pattern)).catch(() => []);
/** A login that is refused for its body, so that only the limit costs anything. */
const attempt = (api: TestApi, remoteAddress: string, url = '/v1/auth/login') =>
  api.app.inject({ method: 'POST', url, remoteAddress, payload: '{', headers: { 'content-type': 'application/json' } });
const statuses = async (attempts: Promise<{ statusCode: number }>[]) =>
  (await Promise.all(attempts)).map(({ statusCode }) => statusCode).toSorted();
const expected = (passed: number, refused: number) => [...Array(passed).fill(400), ...Array(refused).fill(429)];

it('A4: limits every route that a stranger may try secrets on', async () => {
  const open = (await loadContracts()).filter(
    ({ auth, path }) => !['bearer', 'session'].includes(auth) || path.includes(':token'),
  );
  const forgotten = open.filter(({ rateLimit, id }) => !rateLimit && !UNLIMITED.includes(id));
  expect(forgotten.map(({ id }) => id)).toEqual([]);
});

it('A4: refuses one address exactly beyond its limit, before it reads the body, and tells when to come back', async () => {
  const api = await open();
  await isConnected(api);
  for (let used = 1; used <= LIMIT; used += 1) {
    const url = used % 2 ? '/v1/auth/login' : '/v1/auth/signup';
    const { statusCode, headers } = await attempt(api, '203.0.113.1', url);
    expect([statusCode, headers['ratelimit-limit'], headers['ratelimit-remaining']]).toEqual([
      400,
      String(LIMIT),
      String(LIMIT - used),
    ]);
    expect(headers['retry-after']).toBeUndefined();
  }
  const { statusCode, headers, body } = await attempt(api, '203.0.113.1');
  expect([statusCode, JSON.parse(body).code]).toEqual([429, 'RATE_LIMITED']);
  expect(headers['retry-after']).toMatch(/^([1-9]|[1-5]\d|60)$/);
  expect(headers['ratelimit-reset']).toBe(headers['retry-after']);
  expect(headers['ratelimit-remaining']).toBe('0');
  expect((await attempt(api, '203.0.113.2')).statusCode).toBe(400);
});

it('A4: lets exactly the limit of 50 parallel requests through, over two instances of the API', async () => {
  const api = await open();
  const deps = await openDeps(api.deps.config, api.deps.log);
  const second = { ...api, deps, app: await buildApp(deps) };
  cleanups.push(async () => {
    await second.app.close();
    await closeDeps(deps);
  });
  await isConnected(api);
  await isConnected(second);
  const attempts = Array.from({ length: 50 }, (_, index) => attempt(index % 2 ? api : second, '203.0.113.3'));
  expect(await statuses(attempts)).toEqual(expected(LIMIT, 50 - LIMIT));
});

it('A4: counts the addresses of one IPv6 /64 together, and an IPv4 address however it is written', async () => {
  const api = await open();
  const network = Array.from({ length: 20 }, (_, index) => attempt(api, `2001:db8:0:7::${index}`));
  expect(await statuses(network)).toEqual(expected(LIMIT, 20 - LIMIT));
  expect((await attempt(api, '2001:db8:0:8::1')).statusCode).toBe(400);
  const mapped = Array.from({ length: 20 }, (_, index) =>
    attempt(api, index % 2 ? '198.51.100.1' : '::ffff:198.51.100.1'),
  );
  expect(await statuses(mapped)).toEqual(expected(LIMIT, 20 - LIMIT));
});

it('A4: lets a whole IPv6 /48 send what ten of its /64 may, however it spreads that, and holds no refusal against it', async () => {
  const api = await open();
  const flooded = Array.from({ length: 20 * LIMIT }, (_, index) => attempt(api, `2001:db8:9:1::${index}`));
  expect(await statuses(flooded)).toEqual(expected(LIMIT, 19 * LIMIT));
  const spread = Array.from({ length: 20 * LIMIT }, (_, index) => attempt(api, `2001:db8:9:${index + 2}::1`));
  expect(await statuses(spread)).toEqual(expected(9 * LIMIT, 11 * LIMIT));
  const { statusCode, headers } = await attempt(api, '2001:db8:9:ffff::1');
  expect([statusCode, headers['ratelimit-limit']]).toEqual([429, String(10 * LIMIT)]);
  expect(headers['retry-after']).toMatch(/^([1-9]|[1-5]\d|60)$/);
  expect((await attempt(api, '2001:db8:a:1::1')).statusCode).toBe(400);
});

it('A4: keeps a budget for links apart from the one for signing in', async () => {
  const api = await open();
  const token = 'x'.repeat(43);
  const accept = () => attempt(api, '203.0.113.4', `/v1/invitations/${token}/accept`);
  const start = () => api.app.inject({ url: '/v1/auth/oauth/google/start', remoteAddress: '203.0.113.4' });
  const answers = await statuses([...Array(LIMIT / 2)].flatMap(() => [accept(), start()]));
  expect(answers).not.toContain(429);
  expect((await accept()).statusCode).toBe(429);
  expect((await start()).statusCode).toBe(429);
  expect((await attempt(api, '203.0.113.4')).statusCode).toBe(400);
});

it('A4: never limits refreshing by address', async () => {
  const api = await open();
  const user = await signUpUser(api);
  let { cookie } = user;
  for (let count = 0; count < 3 * LIMIT; count += 1) {
    const answer = await call(api, refreshSession, { headers: { cookie, origin: 'http://localhost:3000' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['ratelimit-limit']).toBeUndefined();
    cookie = readCookie(answer.headers);
  }
});

it('A4: writes one event per address and window, whatever the flood, without a token of the path', async () => {
  const api = await open();
  const token = 'secret-canary';
  await Promise.all(Array.from({ length: 40 }, () => attempt(api, '203.0.113.5', `/v1/invitations/${token}/accept`)));
  await Promise.all(Array.from({ length: 40 }, () => attempt(api, '203.0.113.6')));
  const events = api.logLines.filter(({ event }) => event === 'rate_limited');
  expect(events).toEqual([
    expect.objectContaining({
      level: 'warn',
      requestId: expect.any(String),
      class: 'link',
      ipAddress: '203.0.113.5',
      path: '/v1/invitations/:token/accept',
      method: 'POST',
    }),
    expect.objectContaining({ class: 'sign-in', ipAddress: '203.0.113.6', path: '/v1/auth/login' }),
  ]);
  expect(JSON.stringify(api.logLines)).not.toContain('canary');
});

it('A4: forgets at the end of the minute', async () => {
  const api = await open();
  await isConnected(api);
  const { rateLimits, limitsLink, config } = api.deps;
  for (let count = 0; count <= LIMIT; count += 1) await rateLimits.count('sign-in', '203.0.113.7');
  const key = `${config.WORKFLOW_QUEUE_NAME}:limits:sign-in:203.0.113.7`;
  expect(await limitsLink.redis.pttl(key)).toBeGreaterThan(50_000);
  await limitsLink.redis.del(key); // as its expiry does
  expect((await rateLimits.count('sign-in', '203.0.113.7')).used).toBe(LIMIT + 2); // this process still knows
  await limitsLink.redis.del(key);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_001 });
  expect(await rateLimits.count('sign-in', '203.0.113.7')).toMatchObject({ used: 1, limit: LIMIT });
});

describe('A4: while Redis', () => {
  interface Fault {
    name: string;
    begin(redis: TestRedis, proxy: FaultProxy): unknown;
    end(redis: TestRedis, proxy: FaultProxy): unknown;
  }
  const faults: Fault[] = [
    { name: 'is killed', begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
    { name: 'hangs', begin: (redis) => redis.freeze(), end: (redis) => redis.thaw() },
    {
      name: 'answers after a second',
      begin: (_redis, proxy) => proxy.setFault({ type: 'delay', delayMs: 1000 }),
      end: (_redis, proxy) => proxy.setFault({ type: 'none' }),
    },
    {
      name: 'vanished behind a black hole',
      begin: (_redis, proxy) => proxy.setFault({ type: 'black-hole' }),
      end: (_redis, proxy) => proxy.setFault({ type: 'none' }),
    },
  ];

  async function openBehindProxy() {
    const redis = await startTestRedis();
    cleanups.push(() => redis.stop());
    const proxy = await startFaultProxy(redis.port);
    cleanups.push(() => proxy.stop());
    const api = await open({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
    return { redis, proxy, api };
  }

  it.each(faults)('$name, the limit holds as exactly as before, and at once', async ({ begin, end }) => {
    const { redis, proxy, api } = await openBehindProxy();
    await isConnected(api);
    const before = Array.from({ length: 4 }, () => attempt(api, '203.0.113.8'));
    expect(await statuses(before)).toEqual(expected(4, 0));

    await begin(redis, proxy);
    const startedAt = performance.now();
    await api.deps.rateLimits.count('sign-in', '203.0.113.9');
    expect(performance.now() - startedAt).toBeLessThan(300);
    const during = Array.from({ length: 50 }, () => attempt(api, '203.0.113.8'));
    expect(await statuses(during)).toEqual(expected(LIMIT - 4, 50 - (LIMIT - 4)));

    await end(redis, proxy);
    await eventually('Redis counts again', async () => {
      await api.deps.rateLimits.count('link', '203.0.113.10');
      return (await keysOf(api, '*:link:203.0.113.10')).length === 1;
    });
    expect((await attempt(api, '203.0.113.8')).statusCode).toBe(429);
    expect(api.logLines.filter(({ event }) => event === 'request_failed')).toEqual([]);
  });

  it('hangs, only the first callers wait for it', async () => {
    const { redis, api } = await openBehindProxy();
    await isConnected(api);
    redis.freeze();
    await api.deps.rateLimits.count('sign-in', '203.0.113.11');
    const startedAt = performance.now();
    for (let count = 0; count < 100; count += 1) await api.deps.rateLimits.count('sign-in', '203.0.113.11');
    expect((performance.now() - startedAt) / 100).toBeLessThan(10);
  });

  it('is not there yet when the API starts, the limit holds, and Redis takes over when it comes', async () => {
    const redis = await startTestRedis();
    cleanups.push(() => redis.stop());
    await redis.kill();
    const api = await open({ REDIS_URL: redis.url });
    const attempts = Array.from({ length: 50 }, () => attempt(api, '203.0.113.12'));
    expect(await statuses(attempts)).toEqual(expected(LIMIT, 50 - LIMIT));
    await redis.restart();
    await isConnected(api);
    await attempt(api, '203.0.113.13');
    expect(await keysOf(api, '*:sign-in:203.0.113.13')).toHaveLength(1);
  });
});
