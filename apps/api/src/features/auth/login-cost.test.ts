import { forgotPassword, logIn, resetPassword } from '@millrace/shared/contracts/auth';
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

it('A3: asking for a reset and a reset with a bad token check and make no hash at all', async () => {
  const user = await signUpUser(api);
  checked.length = 0;
  for (const email of [user.email, 'nobody-at-all@example.com'])
    expect((await call(api, forgotPassword, { body: { email } })).status).toBe(200);
  const body = { token: 'x'.repeat(43), password: 'a wholly new passphrase 7' };
  expect((await call(api, resetPassword, { body })).status).toBe(400);
  expect(checked).toEqual([]);
});
