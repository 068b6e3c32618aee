import { createHash } from 'node:crypto';
import { eventually, startTestRedis } from '@millrace/queue/testing';
import { logIn, logOut } from '@millrace/shared/contracts/auth';
import { changePassword } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { openLoginFailures, type Tries, takeTry } from './login-failures.ts';

/** The real library does the work; its calls are only counted. */
const hashed = vi.hoisted(() => ({ count: 0 }));
vi.mock('@node-rs/argon2', async (importOriginal) => {
  const library = await importOriginal<typeof import('@node-rs/argon2')>();
  return {
    ...library,
    verify: (...input: Parameters<typeof library.verify>) => {
      hashed.count += 1;
      return library.verify(...input);
    },
  };
});

const LIMIT = 5;
const MINUTE_MS = 60_000;

let api: TestApi;
let user: TestUser;
beforeAll(async () => {
  api = await openTestApi({ RATE_LIMIT_LOGIN_FAILURES: LIMIT });
  await eventually('the link is up', () => api.deps.limitsLink.redis.status === 'ready');
});
afterAll(() => api.close());
beforeEach(async () => {
  user = await signUpUser(api);
  hashed.count = 0;
});
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

const tryPassword = (password: string, email = user.email, target = api) =>
  call(target, logIn, { body: { email, password } });
const fail = async (times: number, email = user.email, target = api) => {
  const answers = [];
  for (let count = 0; count < times; count += 1) answers.push(await tryPassword('wrong password', email, target));
  return answers;
};
const HOME = '127.0.0.1'; // where everybody signs up
const FOREIGN = '203.0.113.9';
const tryFrom = async (remoteAddress: string, password: string, email = user.email) => {
  const request = { method: 'POST', url: '/v1/auth/login', remoteAddress, payload: { email, password } } as const;
  return (await api.app.inject(request)).statusCode;
};
const tryOften = async (times: number, remoteAddress: string) => {
  const statuses = [];
  for (let count = 0; count < times; count += 1) statuses.push(await tryFrom(remoteAddress, 'wrong password'));
  return statuses;
};
const keyIn = (namespace: string, guesser: string) =>
  `${namespace}:limits:login-failures:${createHash('sha256').update(guesser).digest('hex')}`;
/** Of the account at the address that its owner uses. */
const keyOf = (email: string) => keyIn(api.deps.config.WORKFLOW_QUEUE_NAME, `${email} ${HOME}`);
/** As if so much time had passed, for this key in Redis and for this process. */
async function age(key: string, byMs: number): Promise<void> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + byMs });
  const { redis } = api.deps.limitsLink;
  const ttlMs = await redis.pttl(key);
  if (ttlMs < 0) return;
  await redis.hincrby(key, 'waitUntil', -byMs);
  await redis.pexpire(key, Math.max(ttlMs - byMs, 0));
}

it('A4: refuses an account after its wrong passwords, the right one as well, without hashing, and says how long', async () => {
  expect((await fail(LIMIT)).map(({ status }) => status)).toEqual(Array(LIMIT).fill(401));
  expect(hashed.count).toBe(LIMIT);
  for (const password of ['wrong password', user.password]) {
    const answer = await tryPassword(password);
    expect(answer).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(answer.headers['retry-after']).toMatch(/^(60|5\d)$/);
    expect(answer.headers['set-cookie']).toBeUndefined();
  }
  expect(hashed.count).toBe(LIMIT);
  const other = await signUpUser(api);
  expect((await tryPassword(other.password, other.email)).status).toBe(200);
});

it('A4: reveals nothing: an account that does not exist is counted and answered alike', async () => {
  const withoutIds = async (email: string) =>
    (await fail(LIMIT + 2, email)).map(({ status, body: { requestId: _, ...body }, headers }) => ({
      status,
      body,
      mayRetry: headers['retry-after'] !== undefined,
    }));
  const known = await withoutIds(user.email);
  expect(await withoutIds(`nobody-${newId()}@example.com`)).toEqual(known);
  expect(await withoutIds(`  ${(await signUpUser(api)).email.toUpperCase()} `)).toEqual(known);
});

it('A4: checks the limit exactly under 50 parallel requests', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => tryPassword('wrong password')));
  const of = (status: number) => answers.filter((answer) => answer.status === status).length;
  expect([of(401), of(429)]).toEqual([LIMIT, 50 - LIMIT]);
  expect(hashed.count).toBe(LIMIT);
});

it('A4: lets one try through after each delay and doubles it, up to a quarter of an hour, never for good', async () => {
  await fail(LIMIT);
  for (const minutes of [1, 2, 4, 8, 15, 15, 15]) {
    const refused = await tryPassword(user.password);
    expect(refused.status).toBe(429);
    const waitSec = Number(refused.headers['retry-after']);
    expect(waitSec).toBeGreaterThan(minutes * 60 - 10);
    expect(waitSec).toBeLessThanOrEqual(minutes * 60);
    await age(keyOf(user.email), waitSec * 1000);
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => tryPassword('wrong password')));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([401, 429, 429, 429, 429]);
  }
  await age(keyOf(user.email), 15 * MINUTE_MS);
  expect((await tryPassword(user.password)).status).toBe(200);
  expect((await fail(LIMIT)).map(({ status }) => status)).toEqual(Array(LIMIT).fill(401));
});

it('A4: a right password clears the account, so that honest mistakes never add up', async () => {
  for (let round = 0; round < 3; round += 1) {
    await fail(LIMIT - 1);
    expect((await tryPassword(user.password)).status).toBe(200);
  }
  await fail(LIMIT - 1);
  await age(keyOf(user.email), 15 * MINUTE_MS);
  expect((await fail(1)).map(({ status }) => status)).toEqual([401]);
});

it('A4: wrong current passwords at a password change count apart from those of sign-ins, in both directions', async () => {
  const change = (currentPassword: string) =>
    call(api, changePassword, {
      token: user.token,
      body: { currentPassword, newPassword: 'four quiet otters juggle' },
    });
  for (let count = 0; count < LIMIT; count += 1) expect((await change('wrong password')).status).toBe(400);
  expect((await change(user.password)).status).toBe(429);
  expect((await tryPassword(user.password)).status).toBe(200);
  await fail(LIMIT);
  await tryOften(LIMIT, FOREIGN);
  expect([await tryFrom(HOME, user.password), await tryFrom(FOREIGN, user.password)]).toEqual([429, 429]);
  await age(keyIn(api.deps.config.WORKFLOW_QUEUE_NAME, `session ${user.id}`), MINUTE_MS);
  expect((await change(user.password)).status).toBe(200);
});

describe('A4: strangers with wrong passwords', () => {
  it('never make the owner wait where they signed in before, also after signing out there, only elsewhere', async () => {
    await call(api, logOut, { token: user.token });
    expect(await tryFrom('2001:db8:1:2::1', user.password)).toBe(200);
    expect(await tryOften(LIMIT + 3, FOREIGN)).toEqual([...Array(LIMIT).fill(401), 429, 429, 429]);
    for (const address of [HOME, '::ffff:127.0.0.1', '2001:db8:1:2:ffff::9'])
      expect(await tryFrom(address, user.password), address).toBe(200);
    for (const address of [FOREIGN, '198.51.100.7', '2001:db8:1:3::1'])
      expect(await tryFrom(address, user.password), address).toBe(429);
  });

  it('count together whatever their addresses, and for accounts that do not exist as for those that do', async () => {
    for (const email of [user.email, `nobody-${newId()}@example.com`]) {
      for (let count = 0; count < LIMIT; count += 1)
        expect(await tryFrom(`198.51.100.${count}`, 'wrong password', email)).toBe(401);
      expect(await tryFrom('198.51.100.200', 'wrong password', email)).toBe(429);
    }
  });

  it('are stopped by their own count at an address of the owner, which stops neither other addresses nor other people', async () => {
    expect(await tryFrom('198.51.100.9', user.password)).toBe(200);
    expect(await tryOften(LIMIT + 1, HOME)).toEqual([...Array(LIMIT).fill(401), 429]);
    expect(await tryFrom('198.51.100.9', user.password)).toBe(200);
    expect(await tryFrom(FOREIGN, 'wrong password')).toBe(401);
    const other = await signUpUser(api);
    expect(await tryFrom(HOME, other.password, other.email)).toBe(200);
  });

  it('keep their count when the owner signs in at home', async () => {
    expect(await tryOften(LIMIT, FOREIGN)).toEqual(Array(LIMIT).fill(401));
    expect(await tryFrom(HOME, user.password)).toBe(200);
    expect(await tryFrom(FOREIGN, user.password)).toBe(429);
  });
});

it('A4: a Redis that lost its counts lets nobody guess again: this process still knows', async () => {
  await fail(LIMIT);
  await api.deps.limitsLink.redis.del(keyOf(user.email));
  expect((await tryPassword(user.password)).status).toBe(429);
  const other = await signUpUser(api);
  await fail(LIMIT - 1, other.email);
  await api.deps.limitsLink.redis.del(keyOf(other.email));
  expect((await fail(2, other.email)).map(({ status }) => status)).toEqual([401, 429]);
});

it('A4: a right password at one instance ends what another one remembers', async () => {
  const deps = await openDeps(api.deps.config, api.deps.log);
  const second = { ...api, deps, app: await buildApp(deps) };
  cleanups.push(async () => {
    await second.app.close();
    await closeDeps(deps);
  });
  await eventually('the link is up', () => deps.limitsLink.redis.status === 'ready');
  for (const [one, other] of [
    [api, second],
    [second, api],
  ] as const) {
    const { email, password } = await signUpUser(api);
    await fail(LIMIT - 1, email, one);
    expect((await tryPassword(password, email, other)).status).toBe(200);
    const again = await fail(LIMIT, email, one);
    expect(again.map(({ status }) => status)).toEqual(Array(LIMIT).fill(401));
    expect((await tryPassword(password, email, other)).status).toBe(429);
  }
});

it('A4: many right passwords at once are no wrong ones', async () => {
  const usual = await openTestApi({ RATE_LIMIT_LOGIN_FAILURES: 10 });
  cleanups.push(() => usual.close());
  const person = await signUpUser(usual);
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => tryPassword(person.password, person.email, usual)),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
});

it('A4: writes one event per delay, which names neither the account nor a password', async () => {
  api.logLines.length = 0;
  await fail(LIMIT + 4);
  const events = api.logLines.filter(({ event }) => event === 'rate_limited');
  expect(events).toEqual([
    expect.objectContaining({ class: 'login-failures', ipAddress: '127.0.0.1', path: '/v1/auth/login' }),
  ]);
  expect(JSON.stringify(api.logLines)).not.toContain(user.email);
});

it.each(['killed', 'frozen'] as const)(
  'A4: keeps counting when Redis is %s, neither open nor failing',
  async (fault) => {
    const redis = await startTestRedis();
    cleanups.push(() => redis.stop());
    const own = await openTestApi({ RATE_LIMIT_LOGIN_FAILURES: LIMIT, REDIS_URL: redis.url });
    cleanups.push(() => own.close());
    const person = await signUpUser(own);
    await eventually('the link is up', () => own.deps.limitsLink.redis.status === 'ready');
    expect((await fail(3, person.email, own)).map(({ status }) => status)).toEqual([401, 401, 401]);
    if (fault === 'killed') await redis.kill();
    else redis.freeze();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => tryPassword('wrong password', person.email, own)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(LIMIT - 3);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(50 - (LIMIT - 3));
    const other = await signUpUser(own);
    expect((await tryPassword(other.password, other.email, own)).status).toBe(200);
    if (fault === 'killed') await redis.restart();
    else redis.thaw();
    await eventually('Redis counts again', async () => {
      await own.deps.loginFailures.take('probe@example.com');
      const { redis: client, run } = own.deps.limitsLink;
      return (await run(() => client.keys('*login-failures*')).catch(() => [])).length > 1;
    });
    // Redis has missed the tries of its outage, and this process has not.
    expect((await tryPassword(person.password, person.email, own)).status).toBe(429);
  },
);

it('A4: Redis and the process itself follow one rule', async () => {
  const { limitsLink: link } = api.deps;
  const steps = fc.array(fc.constantFrom(0, 0, 0, 20_000, 61_000, 125_000, 500_000, 1_000_000), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (ages, limit) => {
      const namespace = `rule-${newId()}`;
      const key = keyIn(namespace, 'a@example.com');
      let nowMs = Date.now();
      let tries: Tries | undefined;
      for (const ageMs of ages) {
        nowMs += ageMs;
        if (ageMs > 0) await age(key, ageMs);
        tries = takeTry(tries, limit, nowMs);
        const answer = await openLoginFailures(link, limit, namespace).take('a@example.com'); // remembers nothing
        expect(answer.refusals).toBe(tries.refusals);
        const waitMs = tries.refusals > 0 ? tries.waitUntilMs - nowMs : 0;
        expect(Math.abs(answer.waitMs - waitMs)).toBeLessThan(5_000);
      }
      await link.redis.del(key);
    }),
    { numRuns: 60 },
  );
});
