import { logIn } from '@millrace/shared/contracts/auth';
import { parseOptions } from '@node-rs/argon2';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { call, openTestApi, signUpUser, type TestApi } from '../../testing.ts';

/** The real library does the work; its calls are only counted, because time itself is too noisy to compare in a test. */
const checked = vi.hoisted((): string[] => []);
vi.mock('@node-rs/argon2', async (importOriginal) => {
  const library = await importOriginal<typeof import('@node-rs/argon2')>();
  return {
    ...library,
    verify: (...input: Parameters<typeof library.verify>) => {
      checked.push(String(input[0]));
      return library.verify(...input);
    },
  };
});

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

async function hashesCheckedFor(email: string) {
  checked.length = 0;
  const { status } = await call(api, logIn, { body: { email, password: 'wrong password' } });
  expect(status).toBe(401);
  return checked.map((hash) => parseOptions(hash));
}

it('checks one hash of the same cost for a wrong password, an unknown address and a user without a password', async () => {
  const [user, passwordless] = await Promise.all([signUpUser(api), signUpUser(api)]);
  await api.deps.db.pool.query('UPDATE app.users SET password_hash = NULL WHERE id = $1', [passwordless.id]);
  const wrong = await hashesCheckedFor(user.email);
  expect(wrong).toHaveLength(1);
  expect(await hashesCheckedFor('nobody-at-all@example.com')).toEqual(wrong);
  expect(await hashesCheckedFor(passwordless.email)).toEqual(wrong);
});
