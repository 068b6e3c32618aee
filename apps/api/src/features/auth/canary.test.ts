import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@millrace/queue/testing';
import {
  forgotPassword,
  logIn,
  logOut,
  refreshSession,
  resetPassword,
  verifyEmail,
} from '@millrace/shared/contracts/auth';
import { acceptInvitation, createInvitation, resendInvitation } from '@millrace/shared/contracts/invitations';
import { changePassword, sendVerification } from '@millrace/shared/contracts/me';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, createOrg, openTestApi, readCookie, signUpUser, type TestApi } from '../../testing.ts';
import { queryAsAdmin } from '../organizations/testing.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const sql = <Row extends object>(text: string, values: unknown[] = []) => queryAsAdmin<Row>(api, text, values);

/** Every token that was mailed so far. */
async function mailedTokens(): Promise<string[]> {
  const left = 'SELECT FROM app.account_mails UNION ALL SELECT FROM app.org_mails';
  await eventually('every mail has left', async () => (await sql(left)).length === 0);
  return (await api.readMails()).flatMap(({ text }) => /#token=([\w-]+)/.exec(text)?.[1] ?? []);
}

/** Lives through everything that makes or takes a secret; answers all of them. */
async function useEverySecret(): Promise<string[]> {
  const [owner, guest] = [await signUpUser(api), await signUpUser(api)];
  const orgId = await createOrg(api, owner);
  const origin = 'http://localhost:3000';
  const secrets = [owner, guest].flatMap(({ token, password, cookie }) => [token, password, cookie]);
  const refreshed = await call(api, refreshSession, { headers: { cookie: guest.cookie, origin } });
  secrets.push(readCookie(refreshed.headers), refreshed.body.session.token);
  await call(api, refreshSession, { headers: { cookie: 'rt=not-a-good-one', origin } });

  await mailedTokens(); // a mail whose link is replaced before it leaves is dropped
  await call(api, sendVerification, { token: guest.token });
  for (const token of await mailedTokens()) await call(api, verifyEmail, { body: { token } });

  const body = { email: guest.email, roleKey: 'member' as const };
  const invited = await call(api, createInvitation, { token: owner.token, params: { orgId }, body });
  const { id: invitationId, token: firstToken } = invited.body.invitation;
  await mailedTokens();
  const again = await call(api, resendInvitation, { token: owner.token, params: { orgId, invitationId } });
  secrets.push(firstToken, again.body.invitation.token);
  await mailedTokens(); // nor does a mail leave whose invitation was accepted before
  for (const token of [firstToken, again.body.invitation.token, again.body.invitation.token])
    await call(api, acceptInvitation, { token: guest.token, params: { token } });

  const [changed, reset] = ['canary changed passphrase 1', 'canary reset passphrase 2'];
  const wrong = 'canary wrong passphrase 3';
  await call(api, changePassword, { token: guest.token, body: { currentPassword: wrong, newPassword: changed } });
  await call(api, changePassword, {
    token: guest.token,
    body: { currentPassword: guest.password, newPassword: changed },
  });
  await call(api, forgotPassword, { body: { email: guest.email } });
  for (const token of await mailedTokens())
    for (const password of ['password1', reset, reset]) await call(api, resetPassword, { body: { token, password } });
  await call(api, logIn, { body: { email: guest.email, password: wrong } });
  const signedIn = await call(api, logIn, { body: { email: guest.email, password: reset } });
  expect(signedIn.status).toBe(200);
  await call(api, logOut, { token: signedIn.body.session.token });
  const tokens = await mailedTokens();
  expect(tokens).toHaveLength(6); // three to confirm, two to accept, one to reset
  return [...secrets, ...tokens, changed, reset, wrong, signedIn.body.session.token, readCookie(signedIn.headers)];
}

/** The text, JSON and bytes of every column of every table, as one row each. */
async function readWholeDatabase(): Promise<{ column: string; value: string }[]> {
  const columns = await sql<{ table: string; column: string; type: string }>(
    `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS table, quote_ident(column_name) AS column,
       data_type AS type
     FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
       AND data_type IN ('text', 'jsonb', 'json', 'bytea', 'character varying', 'ARRAY')`,
  );
  expect(columns.length).toBeGreaterThan(40);
  const parts = columns.map(({ table, column, type }) => {
    const value = type === 'bytea' ? `encode(${column}, 'hex')` : `${column}::text`;
    return `SELECT '${table}.${column}' AS column, ${value} AS value FROM ${table} WHERE ${column} IS NOT NULL`;
  });
  return sql(parts.join(' UNION ALL '));
}

/** A secret as it is, and the bytes it stands for, as the database would show them. */
function formsOf(secret: string): string[] {
  const text = secret.replace(/^(__Host-)?rt=/, '').replace(/^[0-9a-f-]{36}\./, '');
  return [text, Buffer.from(text).toString('hex'), Buffer.from(text, 'base64url').toString('hex')];
}

it('T10: no token and no password of a whole life stands in a log line, in the database or in a mail it is not for', async () => {
  const secrets = await useEverySecret();
  const rows = await readWholeDatabase();
  expect(rows.some(({ column, value }) => column === 'app.users.password_hash' && value.startsWith('$argon2id$'))).toBe(
    true,
  );
  const log = api.logLines.map((line) => JSON.stringify(line)).join('\n');
  expect(log).toContain('sign_in_failed');
  for (const form of secrets.flatMap(formsOf)) {
    expect(log.includes(form), `a secret in the log: ${form.slice(0, 6)}…`).toBe(false);
    expect(rows.filter(({ value }) => value.includes(form)).map(({ column }) => column)).toEqual([]);
  }
  for (const { email } of await sql<{ email: string }>('SELECT email FROM app.users')) expect(log).not.toContain(email);
  const folder = join(api.deps.config.MILLRACE_DATA_DIR, 'mailbox');
  const mails = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  for (const password of secrets.filter((secret) => secret.includes(' ')))
    expect(mails.filter((mail) => mail.includes(password))).toEqual([]);
  reportFigure(
    'T10: secrets of sign-up, mails, invitations and passwords found in logs and database',
    `0 of ${secrets.length}, in ${api.logLines.length} log lines and ${rows.length} values`,
  );
});

it('T10: neither does the token of a mail that still waits to be sent', async () => {
  await api.deps.mailSender.stop();
  const owner = await signUpUser(api);
  const orgId = await createOrg(api, owner);
  const body = { email: 'waiting@example.com', roleKey: 'member' as const };
  await call(api, createInvitation, { token: owner.token, params: { orgId }, body });
  await call(api, forgotPassword, { body: { email: owner.email } });
  const rows = await readWholeDatabase();
  expect(rows.filter(({ column }) => /^app\.(account|org)_mails\.template$/.test(column))).toHaveLength(3);

  const before = (await api.readMails()).length;
  const sending = await openDeps(api.deps.config, api.deps.log);
  sending.mailSender.start();
  const tokens = await mailedTokens();
  await closeDeps(sending);
  expect((await api.readMails()).length - before).toBe(3);
  for (const form of tokens.slice(-3).flatMap(formsOf))
    expect(rows.filter(({ value }) => value.includes(form)).map(({ column }) => column)).toEqual([]);
});
