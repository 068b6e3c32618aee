import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { eventually } from '@millrace/queue/testing';
import { forgotPassword, logIn, resetPassword } from '@millrace/shared/contracts/auth';
import { changePassword } from '@millrace/shared/contracts/me';
import { parseOptions } from '@node-rs/argon2';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { call, openTestApi, signUpUser, type TestApi } from '../../testing.ts';

/** The real library does the work; its calls are only counted, because time itself is too noisy to compare in a test. */
const checked = vi.hoisted((): string[] => []);
const atOnce = vi.hoisted(() => ({ now: 0, most: 0 }));
/** Hashing begins when this is over. */
const hold = vi.hoisted(() => ({ until: Promise.resolve() }));
vi.mock('@node-rs/argon2', async (importOriginal) => {
  const library = await importOriginal<typeof import('@node-rs/argon2')>();
  return {
    ...library,
    verify: async (...input: Parameters<typeof library.verify>) => {
      checked.push(String(input[0]));
      atOnce.now += 1;
      atOnce.most = Math.max(atOnce.most, atOnce.now);
      return hold.until
        .then(() => library.verify(...input))
        .finally(() => {
          atOnce.now -= 1;
        });
    },
    hash: (...input: Parameters<typeof library.hash>) => {
      checked.push('made');
      return library.hash(...input);
    },
  };
});

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

async function hashesCheckedFor(email: string, password = 'wrong password') {
  checked.length = 0;
  const { status } = await call(api, logIn, { body: { email, password } });
  expect(status).toBe(401);
  return checked.map((hash) => parseOptions(hash));
}

it('A3: one hash of the same cost is checked for a wrong password, an unknown address, a user without one, a disabled user', async () => {
  const [user, passwordless, disabled] = await Promise.all([signUpUser(api), signUpUser(api), signUpUser(api)]);
  await api.deps.db.pool.query('UPDATE app.users SET password_hash = NULL WHERE id = $1', [passwordless.id]);
  await api.deps.db.pool.query('UPDATE app.users SET disabled_at = now() WHERE id = $1', [disabled.id]);
  const wrong = await hashesCheckedFor(user.email);
  expect(wrong).toHaveLength(1);
  expect(await hashesCheckedFor('nobody-at-all@example.com')).toEqual(wrong);
  expect(await hashesCheckedFor(passwordless.email)).toEqual(wrong);
  expect(await hashesCheckedFor(disabled.email)).toEqual(wrong);
  expect(await hashesCheckedFor(disabled.email, disabled.password)).toEqual(wrong);
});

it('A3: the database is asked the same for a wrong password, whether or not the account exists', async () => {
  const user = await signUpUser(api);
  const idle = () => api.deps.db.pool.query('SELECT FROM app.account_mails');
  await eventually('every mail has left', async () => (await idle()).rowCount === 0);
  const statements = vi.spyOn(pg.Client.prototype, 'query');
  const asked: string[][] = [];
  for (const email of [user.email, 'nobody-at-all@example.com']) {
    statements.mockClear();
    await hashesCheckedFor(email);
    const texts = statements.mock.calls.map(([query]) => (typeof query === 'string' ? query : JSON.stringify(query)));
    // The loops that send mails and notices look for due work at moments of their own.
    asked.push(texts.filter((text) => !/WITH due AS|sys\.take_/.test(text)).map((text) => text.replace(email, '')));
  }
  statements.mockRestore();
  expect(asked[0]?.length).toBeGreaterThanOrEqual(3);
  expect(asked[1]).toEqual(asked[0]);
});

it('A3: asking for a reset and a reset with a bad token check and make no hash at all', async () => {
  const user = await signUpUser(api);
  checked.length = 0;
  for (const email of [user.email, 'nobody-at-all@example.com'])
    expect((await call(api, forgotPassword, { body: { email } })).status).toBe(200);
  const body = { token: 'x'.repeat(43), password: 'a wholly new passphrase 7' };
  expect((await call(api, resetPassword, { body })).status).toBe(400);
  expect(checked).toEqual([]);
});

it('A2: nobody who hashes or waits for their turn holds a connection to the database', async () => {
  const user = await signUpUser(api);
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  hold.until = promise;
  try {
    const places = Math.min(2 * availableParallelism(), 8) + 64;
    let refused = 0;
    const body = { currentPassword: 'wrong password', newPassword: 'a wholly new passphrase 7' };
    const answers = Array.from({ length: places + 10 }, async (_, index) => {
      const { status } = await (index % 2
        ? call(api, logIn, { body: { email: user.email, password: 'wrong password' } })
        : call(api, changePassword, { token: user.token, body }));
      if (status === 429) refused += 1;
      return status;
    });
    // Refused are those that find every place taken: by then all others have one.
    await eventually('every place is taken', () => refused === 10);
    const { pool } = api.deps.db;
    await eventually('the pool is idle', () => pool.waitingCount === 0 && pool.idleCount === pool.totalCount);
    expect(refused).toBe(10);
    letGo();
    const statuses = await Promise.all(answers);
    expect(statuses.filter((status) => status === 400 || status === 401)).toHaveLength(places);
  } finally {
    letGo();
    hold.until = Promise.resolve();
  }
});

it('A2: 500 logins at once over real sockets are all answered, a bounded number is hashed at a time, and others are served', async () => {
  const [right, wrong] = await Promise.all([signUpUser(api), signUpUser(api)]);
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  checked.length = 0;
  const statusOf = async (path: string, init: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    await response.text();
    return response.status;
  };
  const headers = { 'content-type': 'application/json' };
  const logins = Array.from({ length: 500 }, (_, index) => {
    const body = index % 2 ? { email: right.email, password: right.password } : { email: wrong.email, password: 'no' };
    return statusOf('/v1/auth/login', { method: 'POST', headers, body: JSON.stringify(body) });
  });
  let isFlood = true;
  const flood = Promise.all(logins).finally(() => {
    isFlood = false;
  });
  const others: number[] = [];
  while (isFlood) {
    others.push(await statusOf('/healthz', {}));
    others.push(await statusOf('/v1/me', { headers: { authorization: `Bearer ${right.token}` } }));
  }
  const statuses = await flood;
  const of = (status: number) => statuses.filter((one) => one === status).length;
  expect(of(200) + of(401) + of(429)).toBe(500);
  expect(of(200)).toBeGreaterThan(0);
  expect(of(401)).toBeGreaterThan(0);
  expect(checked).toHaveLength(of(200) + of(401)); // who is refused costs no hashing
  expect(atOnce.most).toBeLessThanOrEqual(2 * availableParallelism());
  expect(others.length).toBeGreaterThan(10);
  expect(new Set(others)).toEqual(new Set([200]));
}, 120_000);
