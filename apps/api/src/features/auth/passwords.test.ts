import type { ReadMail } from '@millrace/mail/testing';
import { eventually } from '@millrace/queue/testing';
import { forgotPassword, logIn, refreshSession, resetPassword } from '@millrace/shared/contracts/auth';
import { changePassword, getMe, listSessions, sendVerification } from '@millrace/shared/contracts/me';
import { getOrganization } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { parseOptions } from '@node-rs/argon2';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { addKey, queryAsAdmin } from '../organizations/testing.ts';

const NEW_PASSWORD = 'a wholly new passphrase 7';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const sql = (text: string, values: unknown[] = []) => queryAsAdmin<Record<string, unknown>>(api, text, values);
const isAlive = async (token: string) => (await call(api, getMe, { token })).status === 200;
const logInWith = (user: TestUser, password: string) => call(api, logIn, { body: { email: user.email, password } });
const forgot = (email: string) => call(api, forgotPassword, { body: { email } });
const reset = (token: string, password = NEW_PASSWORD) => call(api, resetPassword, { body: { token, password } });
const isOutboxEmpty = async () =>
  (await sql('SELECT FROM app.account_mails UNION ALL SELECT FROM app.org_mails')).length === 0;
const mailsTo = async (email: string, subject: RegExp): Promise<ReadMail[]> => {
  await eventually('every mail has left', isOutboxEmpty);
  return (await api.readMails()).filter((mail) => mail.to === email && subject.test(mail.subject));
};
const resetMailsTo = (email: string) => mailsTo(email, /^Set a new password$/);
const tokenIn = (mail: ReadMail | undefined) => /#token=([\w-]+)/.exec(mail?.text ?? '')?.[1] ?? '';

async function askForReset(user: { email: string }): Promise<string> {
  const before = (await resetMailsTo(user.email)).length;
  expect(await forgot(user.email)).toMatchObject({ status: 200, body: { ok: true } });
  const mails = await resetMailsTo(user.email);
  expect(mails).toHaveLength(before + 1);
  return tokenIn(mails.at(-1));
}

describe('changing the password', () => {
  it('A8: ends every other session at once, keeps this one, and tells the owner by mail', async () => {
    const user = await signUpUser(api);
    const others = await Promise.all([logInWith(user, user.password), logInWith(user, user.password)]);
    const stranger = await signUpUser(api);
    const answer = await call(api, changePassword, {
      token: user.token,
      body: { currentPassword: user.password, newPassword: NEW_PASSWORD },
    });
    expect(answer).toMatchObject({ status: 200, body: { ok: true, revokedCount: 2 } });
    expect(await isAlive(user.token)).toBe(true);
    for (const { body } of others) expect(await isAlive(body.session.token)).toBe(false);
    expect(await isAlive(stranger.token)).toBe(true);
    const { body } = await call(api, listSessions, { token: user.token });
    expect(body.sessions.map(({ id }) => id)).toEqual([user.session.sessionId]);
    expect((await logInWith(user, user.password)).status).toBe(401);
    expect((await logInWith(user, NEW_PASSWORD)).status).toBe(200);
    expect(await mailsTo(user.email, /^Your password was changed$/)).toHaveLength(1);
    expect(api.logLines).toContainEqual(
      expect.objectContaining({ event: 'password_changed', userId: user.id, by: 'change' }),
    );
  });

  it('refuses a wrong current password at its field, without ending the session', async () => {
    const user = await signUpUser(api);
    const { status, body } = await call(api, changePassword, {
      token: user.token,
      body: { currentPassword: 'not this one', newPassword: NEW_PASSWORD },
    });
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(body.details).toEqual([
      { path: 'currentPassword', code: 'PASSWORD_WRONG', message: 'The current password is wrong.' },
    ]);
    expect(await isAlive(user.token)).toBe(true);
    expect((await logInWith(user, user.password)).status).toBe(200);
  });

  it('refuses a weak new one, and leaves everything as it was', async () => {
    const user = await signUpUser(api);
    const { status, body } = await call(api, changePassword, {
      token: user.token,
      body: { currentPassword: user.password, newPassword: 'password1' },
    });
    expect(status).toBe(400);
    expect(body.details).toMatchObject([{ path: 'newPassword', code: 'PASSWORD_TOO_WEAK' }]);
    expect((await logInWith(user, user.password)).status).toBe(200);
  });

  it('refuses the current one as the new one at its field, however it is typed, and mails nothing', async () => {
    const user = await signUpUser(api, `caf-${newId()}@example.com`);
    expect((await reset(await askForReset(user), 'caf\u00e9 passphrase seven')).status).toBe(200);
    const { session } = (await logInWith(user, 'caf\u00e9 passphrase seven')).body;
    const { status, body } = await call(api, changePassword, {
      token: session.token,
      body: { currentPassword: 'cafe\u0301 passphrase seven', newPassword: 'caf\u00e9 passphrase seven' },
    });
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(body.details).toMatchObject([{ path: 'newPassword', code: 'PASSWORD_UNCHANGED' }]);
    expect(await mailsTo(user.email, /^Your password was changed$/)).toHaveLength(1); // of the reset
  });

  it('A4: of 40 at the same moment 10 are looked at, for one user whatever the sessions, and nobody else waits', async () => {
    const limited = await openTestApi({ RATE_LIMIT_PASSWORD_CHANGES_PER_HOUR: 10 });
    const [user, other] = [await signUpUser(limited), await signUpUser(limited)];
    const second = await call(limited, logIn, { body: { email: user.email, password: user.password } });
    const body = { currentPassword: 'not this one', newPassword: NEW_PASSWORD };
    const change = (token: string) => call(limited, changePassword, { token, body });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => change(index % 2 ? user.token : second.body.session.token)),
    );
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(30);
    for (const { body, headers } of refused) {
      expect(body.code).toBe('RATE_LIMITED');
      expect(Number(headers['retry-after'])).toBeGreaterThan(3500);
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(3600);
    }
    expect(await change(other.token)).toMatchObject({ status: 400, headers: { 'ratelimit-remaining': '9' } });
    await limited.close();
  });

  it('answers 409 for an account that has no password', async () => {
    const user = await signUpUser(api);
    await sql('UPDATE app.users SET password_hash = NULL WHERE id = $1', [user.id]);
    const body = { currentPassword: user.password, newPassword: NEW_PASSWORD };
    expect((await call(api, changePassword, { token: user.token, body })).status).toBe(409);
  });

  it('of two at the same moment one wins, and the other changes nothing', async () => {
    const user = await signUpUser(api);
    const change = (newPassword: string) =>
      call(api, changePassword, { token: user.token, body: { currentPassword: user.password, newPassword } });
    const passwords = ['first new passphrase 1', 'second new passphrase 2'];
    const answers = await Promise.all(passwords.map(change));
    const [won, lost] = answers.map(({ status }) => status).toSorted();
    expect(won).toBe(200);
    expect([400, 409]).toContain(lost); // changed while it was checked, or before
    for (const [index, { status }] of answers.entries())
      expect((await logInWith(user, passwords[index] ?? '')).status).toBe(status === 200 ? 200 : 401);
  });

  it('makes links that were mailed for the old password stop working', async () => {
    const user = await signUpUser(api);
    const token = await askForReset(user);
    const body = { currentPassword: user.password, newPassword: NEW_PASSWORD };
    expect((await call(api, changePassword, { token: user.token, body })).status).toBe(200);
    expect((await reset(token)).body.code).toBe('TOKEN_INVALID');
  });

  it('A8: a login that checked the old password before a change and ends after it starts no session', async () => {
    const user = await signUpUser(api);
    const hash = (
      await sql('SELECT password_hash FROM app.users WHERE email = $1', [(await signUpUser(api)).email])
    )[0];
    const client = await api.deps.db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('UPDATE app.users SET password_hash = $2 WHERE id = $1', [user.id, hash?.password_hash]);
      const answer = logInWith(user, user.password);
      await eventually('the login waits for the change', async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        return (await sql(waiting)).length === 1;
      });
      await client.query('COMMIT');
      expect((await answer).status).toBe(401);
    } finally {
      client.release();
    }
    expect(await sql('SELECT FROM app.auth_sessions WHERE user_id = $1', [user.id])).toHaveLength(1);
  });
});

describe('a mailed link that sets a new password', () => {
  it('works once: sets it, proves the address, ends every session and tells the owner by mail', async () => {
    const user = await signUpUser(api);
    expect((await call(api, getMe, { token: user.token })).body.emailVerified).toBe(false);
    const token = await askForReset(user);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(await reset(token)).toMatchObject({ status: 200, body: { ok: true } });
    expect(await isAlive(user.token)).toBe(false);
    const refreshed = await call(api, refreshSession, {
      headers: { cookie: user.cookie, origin: 'http://localhost:3000' },
    });
    expect(refreshed.status).toBe(401);
    expect((await logInWith(user, user.password)).status).toBe(401);
    const { status, body } = await logInWith(user, NEW_PASSWORD);
    expect(status).toBe(200);
    expect((await call(api, getMe, { token: body.session.token })).body).toMatchObject({
      emailVerified: true,
      hasPassword: true,
    });
    expect(await mailsTo(user.email, /^Your password was changed$/)).toHaveLength(1);
    expect(await reset(token, 'yet another passphrase 8')).toMatchObject({
      status: 400,
      body: { code: 'TOKEN_INVALID' },
    });
    expect((await logInWith(user, NEW_PASSWORD)).status).toBe(200);
  });

  it('A1: a password set that way is hashed with argon2id, 19 MiB, 2 passes, 1 lane', async () => {
    const user = await signUpUser(api);
    expect((await reset(await askForReset(user))).status).toBe(200);
    const [row] = await sql('SELECT password_hash FROM app.users WHERE id = $1', [user.id]);
    expect(parseOptions(String(row?.password_hash))).toMatchObject({
      algorithm: 2,
      memoryCost: 19_456,
      timeCost: 2,
      parallelism: 1,
    });
  });

  it('A4: clears the account of wrong passwords that somebody tried', async () => {
    const user = await signUpUser(api);
    expect((await logInWith(user, 'not this one')).status).toBe(401);
    const { config, limitsLink, loginFailures } = api.deps;
    const counted = async () =>
      (await limitsLink.redis.keys(`${config.WORKFLOW_QUEUE_NAME}:limits:login-failures:*`)).length;
    const before = await counted();
    expect((await reset(await askForReset(user))).status).toBe(200);
    expect(await counted()).toBe(before - 1);
    expect(await loginFailures.take(user.email)).toEqual({ waitMs: 0, refusals: 0 });
  });

  it('works for one of 20 that use it at the same moment', async () => {
    const user = await signUpUser(api);
    const token = await askForReset(user);
    const answers = await Promise.all(Array.from({ length: 20 }, () => reset(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.code))).toEqual(
      new Set(['TOKEN_INVALID']),
    );
  });

  it('stands in the fragment of an address of the web app, whatever the request claims the host to be', async () => {
    const user = await signUpUser(api);
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', origin: 'https://evil.example' };
    await call(api, forgotPassword, { body: { email: user.email }, headers });
    const [mail] = await resetMailsTo(user.email);
    expect(mail?.text).toMatch(/^http:\/\/localhost:3000\/reset-password#token=[\w-]{43}$/m);
    expect(mail?.source).not.toContain('evil.example');
  });

  it('is killed by a newer one', async () => {
    const user = await signUpUser(api);
    const older = await askForReset(user);
    const newer = await askForReset(user);
    expect(newer).not.toBe(older);
    expect((await reset(older)).body.code).toBe('TOKEN_INVALID');
    expect((await reset(newer)).status).toBe(200);
  });

  it('is good for one hour', async () => {
    const user = await signUpUser(api);
    const token = await askForReset(user);
    const [row] = await sql(
      `SELECT extract(epoch FROM expires_at - created_at)::float8 AS life FROM app.account_tokens
       WHERE user_id = $1 AND purpose = 'reset_password'`,
      [user.id],
    );
    expect(row?.life).toBeCloseTo(3600, 0);
    await sql('UPDATE app.account_tokens SET expires_at = now() WHERE user_id = $1', [user.id]);
    expect((await reset(token)).body.code).toBe('TOKEN_INVALID');
  });

  it('survives a weak password, so that a better one can be chosen', async () => {
    const user = await signUpUser(api);
    const token = await askForReset(user);
    const { status, body } = await reset(token, 'password1');
    expect(status).toBe(400);
    expect(body.details).toMatchObject([{ path: 'password', code: 'PASSWORD_TOO_WEAK' }]);
    expect((await reset(token)).status).toBe(200);
  });

  it('is no use for another purpose, and neither is a made up one', async () => {
    const user = await signUpUser(api);
    const [verification] = await mailsTo(user.email, /^Confirm/);
    for (const token of [tokenIn(verification), 'x'.repeat(43), 'x', `${await askForReset(user)}x`])
      expect(await reset(token)).toMatchObject({
        status: 400,
        body: { code: 'TOKEN_INVALID', message: 'This link is not valid any more; ask for a new one.' },
      });
  });

  it('O3: drops sign-ins that were tied to the account before its address was proved, and keeps them afterwards', async () => {
    const user = await signUpUser(api);
    const link = () =>
      sql(
        `INSERT INTO app.user_identities (provider, subject, user_id, email) VALUES ('google', $1, $2, 'eve@example.com')`,
        [newId(), user.id],
      );
    const count = async () => (await sql('SELECT FROM app.user_identities WHERE user_id = $1', [user.id])).length;
    await link();
    const orgId = await createOrg(api, user);
    const key = await addKey(api, orgId, user, ['org:read']);
    const readOrg = () => call(api, getOrganization, { params: { orgId }, token: key });
    expect((await readOrg()).status).toBe(200);
    expect((await reset(await askForReset(user))).status).toBe(200);
    expect(await count()).toBe(0);
    expect((await readOrg()).status).toBe(401);
    await link();
    expect((await reset(await askForReset(user), 'one more passphrase 9')).status).toBe(200);
    expect(await count()).toBe(1);
  });

  it('gives an account without a password one', async () => {
    const user = await signUpUser(api);
    await sql('UPDATE app.users SET password_hash = NULL WHERE id = $1', [user.id]);
    expect((await call(api, getMe, { token: user.token })).body.hasPassword).toBe(false);
    expect((await reset(await askForReset(user))).status).toBe(200);
    expect((await logInWith(user, NEW_PASSWORD)).status).toBe(200);
  });

  it('is dead for a user who was disabled after the mail', async () => {
    const user = await signUpUser(api);
    const token = await askForReset(user);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [user.id]);
    expect((await reset(token)).body.code).toBe('TOKEN_INVALID');
  });
});

describe('asking for that link', () => {
  it('A3: answers alike, at the cost of the same statements, whether or not there is an account', async () => {
    const [user, disabled] = await Promise.all([signUpUser(api), signUpUser(api)]);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [disabled.id]);
    await eventually('every mail has left', isOutboxEmpty);
    const statements = vi.spyOn(pg.Client.prototype, 'query');
    const second = await openDeps(api.deps.config, api.deps.log); // whose sender does not run
    const app = await buildApp(second);
    const asked: unknown[] = [];
    for (const email of [user.email, disabled.email, `nobody-${newId()}@example.com`]) {
      statements.mockClear();
      const { status, headers, body } = await call({ ...api, app }, forgotPassword, { body: { email } });
      const texts = statements.mock.calls.map(([query]) => (typeof query === 'string' ? query : JSON.stringify(query)));
      // The loops of the first instance look for due work at moments of their own.
      const ofRequest = texts.filter((text) => !/WITH due AS|sys\.take_/.test(text));
      const comparable = ofRequest.map((text) => text.replaceAll(email, '').replace(/[0-9a-f-]{36}/g, ''));
      const countsAll = { 'x-request-id': '', date: '', 'ratelimit-remaining': '', 'ratelimit-reset': '' };
      asked.push({ status, body, headers: { ...headers, ...countsAll }, comparable });
    }
    statements.mockRestore();
    expect(asked[0]).toMatchObject({ status: 200, body: { ok: true }, comparable: { length: 3 } });
    expect(asked[1]).toEqual(asked[0]);
    expect(asked[2]).toEqual(asked[0]);
    await app.close();
    await closeDeps(second);
    api.deps.mailSender.poke();
    expect(await resetMailsTo(user.email)).toHaveLength(1);
    expect(await resetMailsTo(disabled.email)).toHaveLength(0);
  });

  it('A4: of 50 at the same moment 5 are mailed, all are answered alike, and another account is not affected', async () => {
    const user = await signUpUser(api);
    const answers = await Promise.all(Array.from({ length: 50 }, () => forgot(user.email)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {"ok":true}']));
    const mails = await resetMailsTo(user.email);
    expect(mails).toHaveLength(5);
    const outcomes = await Promise.all(mails.map((mail) => reset(tokenIn(mail))));
    expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await askForReset(await signUpUser(api))).not.toBe('');
    reportFigure('A4: reset mails of 50 parallel requests for one account', `${mails.length}, limit 5`);
  });

  it('A4: there is room again as soon as a mail is an hour old', async () => {
    const user = await signUpUser(api);
    for (let count = 0; count < 5; count += 1) await askForReset(user);
    await forgot(user.email);
    expect(await resetMailsTo(user.email)).toHaveLength(5);
    const age = `UPDATE app.account_tokens SET created_at = created_at - interval '1 hour' WHERE id =
      (SELECT id FROM app.account_tokens WHERE user_id = $1 AND purpose = 'reset_password' ORDER BY created_at LIMIT 1)`;
    await sql(age, [user.id]);
    await askForReset(user);
    await forgot(user.email);
    expect(await resetMailsTo(user.email)).toHaveLength(6);
  });

  it('finds the account whatever the case of its address', async () => {
    const { email } = (await signUpUser(api, `MiXed-${newId()}@Example.com`)).user;
    expect(await forgot(`  ${email.toUpperCase()} `)).toMatchObject({ status: 200 });
    expect(await resetMailsTo(email)).toHaveLength(1);
  });
});

describe('a user whom an operator disabled', () => {
  it('A3: is signed out at once and finds no way back in', async () => {
    const user = await signUpUser(api);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [user.id]);
    expect(await isAlive(user.token)).toBe(false);
    const headers = { cookie: user.cookie, origin: 'http://localhost:3000' };
    expect((await call(api, refreshSession, { headers })).status).toBe(401);
    expect((await logInWith(user, user.password)).status).toBe(401);
    expect((await call(api, sendVerification, { token: user.token })).status).toBe(401);
    await forgot(user.email);
    expect(await resetMailsTo(user.email)).toHaveLength(0);
  });

  it('is let in again when the operator takes it back, with new sessions only', async () => {
    const user = await signUpUser(api);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [user.id]);
    await sql('UPDATE app.users SET disabled_at = NULL WHERE id = $1', [user.id]);
    expect(await isAlive(user.token)).toBe(false);
    expect((await logInWith(user, user.password)).status).toBe(200);
  });
});

it('O3: two uses of one link at the same moment leave the password that was told to be set', async () => {
  const user = await signUpUser(api);
  const token = await askForReset(user);
  const answers = await Promise.all([reset(token), reset(token), reset(token)]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400]);
  expect((await logInWith(user, NEW_PASSWORD)).status).toBe(200);
});
