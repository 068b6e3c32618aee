import { randomBytes } from 'node:crypto';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { withOrg } from '@millrace/db/tenant';
import { eventually } from '@millrace/queue/testing';
import { logIn, refreshSession } from '@millrace/shared/contracts/auth';
import { linkIdentity, listIdentities, unlinkIdentity } from '@millrace/shared/contracts/identities';
import { acceptInvitation, createInvitation } from '@millrace/shared/contracts/invitations';
import { changePassword, getMe } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { call, createOrg, openTestApi, readCookie, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { hashApiKey } from '../api-keys/key.ts';
import { queryAsAdmin } from '../organizations/testing.ts';
import { MAX_OPEN_LINKS } from './flows.ts';
import { type Answer, begin, comeBack, reasonsOf } from './testing.ts';
import { GITHUB_CLIENT, startTestGithub, type TestGithub } from './testing-github.ts';
import { CLIENT, startWrongDoer, type WrongDoer } from './testing-oidc.ts';

let api: TestApi;
let google: WrongDoer;
let github: TestGithub;

beforeAll(async () => {
  [google, github] = await Promise.all([startWrongDoer(), startTestGithub()]);
  api = await openTestApi({
    GOOGLE_CLIENT_ID: CLIENT.id,
    GOOGLE_CLIENT_SECRET: CLIENT.secret,
    OAUTH_GOOGLE_ISSUER: google.issuer,
    GITHUB_CLIENT_ID: GITHUB_CLIENT.id,
    GITHUB_CLIENT_SECRET: GITHUB_CLIENT.secret,
    OAUTH_GITHUB_BASE_URL: github.baseUrl,
  });
});
afterEach(() => github.deeds.clear());
afterAll(async () => {
  await api.close();
  await Promise.all([google.close(), github.close()]);
});

const sql = async (text: string, values: unknown[] = []) => (await api.deps.db.pool.query(text, values)).rows;
const newEmail = () => `${newId()}@example.com`;
const verify = (user: TestUser) => sql('UPDATE app.users SET email_verified_at = now() WHERE id = $1', [user.id]);
const isTokenAlive = async (token: string) => (await call(api, getMe, { token })).status === 200;

interface Claims {
  email: string;
  /** Who the provider says it is; somebody new unless given. */
  subject?: number;
  isVerified?: boolean;
}

const newSubject = () => randomBytes(5).readUIntBE(0, 5) + 1;

function agree(
  provider: 'google' | 'github',
  url: string,
  { email, subject = newSubject(), isVerified = true }: Claims,
) {
  if (provider === 'google') {
    google.person = { sub: String(subject), email, email_verified: isVerified, name: 'The Owner' };
    return google.agree(url);
  }
  github.user = { id: subject, login: 'octo', name: 'The Owner' };
  github.emails = [{ email, primary: true, verified: isVerified }];
  return github.agree(url);
}

async function signInWith(provider: 'google' | 'github', claims: Claims): Promise<Answer> {
  const { state, cookie, authorizationUrl } = await begin(api, provider);
  const code = agree(provider, authorizationUrl, claims);
  return comeBack(api, provider, { state, code, mode: 'json' }, { cookie });
}

/** A signed-in person asks to link; what comes back is what the browser finishes it with. */
async function askToLink(token: string, provider: 'google' | 'github') {
  const asked = await call(api, linkIdentity, { token, params: { provider } });
  if (asked.status !== 200) throw new Error(`the link answered ${asked.status}: ${asked.text}`);
  const { authorizationUrl } = asked.body;
  const state = new URL(authorizationUrl).searchParams.get('state') ?? '';
  return { authorizationUrl, state, cookie: readCookie(asked.headers) };
}

async function linkWith(token: string, provider: 'google' | 'github', claims: Claims): Promise<Answer> {
  const { authorizationUrl, state, cookie } = await askToLink(token, provider);
  const code = agree(provider, authorizationUrl, claims);
  return comeBack(api, provider, { state, code, mode: 'json' }, { cookie });
}

const accountsOf = async (email: string) =>
  (await sql('SELECT * FROM app.users WHERE lower(email) = $1', [email])) ?? [];
const liveSessionsOf = async (userId: string) =>
  (await sql('SELECT FROM app.auth_sessions WHERE user_id = $1 AND revoked_at IS NULL', [userId])).length;
const identitiesOf = (userId: string) =>
  sql('SELECT provider, subject, email FROM app.user_identities WHERE user_id = $1 ORDER BY provider', [userId]);

function expectRefused(answer: Answer, status: number, code: string, reason: string): void {
  expect([answer.status, answer.body.code], answer.text).toEqual([status, code]);
  expect(reasonsOf(api, answer.body.requestId)).toEqual([reason]);
  expect(answer.headers['set-cookie']).toBeUndefined();
}

describe('O3: a sign-in', () => {
  it('of nobody known makes one verified user without a password, whom the same person gets again', async () => {
    const [email, subject] = [newEmail(), newSubject()];
    const first = await signInWith('google', { email: email.toUpperCase(), subject });
    const second = await signInWith('google', { email, subject });
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body.user).toEqual(first.body.user);
    expect(second.body.session.sessionId).not.toBe(first.body.session.sessionId);
    const [user, ...others] = await accountsOf(email);
    expect(others).toEqual([]);
    expect(user).toMatchObject({ password_hash: null, display_name: 'The Owner', email_verified_at: expect.any(Date) });
    const login = await call(api, logIn, { body: { email, password: 'anything at all' } });
    expect(login.status).toBe(401);
  });

  it('goes by the subject and never by the address: the person keeps their account, a stranger does not get it', async () => {
    const [email, subject] = [newEmail(), newSubject()];
    const owner = await signInWith('google', { email, subject });
    const moved = await signInWith('google', { email: newEmail(), subject });
    expect(moved.body.user.id).toBe(owner.body.user.id);
    // Known, so whether the provider still vouches for an address is of no interest.
    const unverified = await signInWith('google', { email: newEmail(), subject, isVerified: false });
    expect(unverified.body.user.id).toBe(owner.body.user.id);
    // The address went to somebody else at the provider: the account did not.
    const stranger = await signInWith('google', { email, subject: newSubject() });
    expectRefused(stranger, 409, 'CONFLICT', 'account_has_other_identity');
    expect(await identitiesOf(owner.body.user.id)).toHaveLength(1);
  });

  it('the same number at two providers is two people', async () => {
    const subject = newSubject();
    const one = await signInWith('google', { email: newEmail(), subject });
    const other = await signInWith('github', { email: newEmail(), subject });
    expect(other.body.user.id).not.toBe(one.body.user.id);
  });

  it('with an address verified on both sides links itself, and password and sessions stay', async () => {
    const user = await signUpUser(api);
    await verify(user);
    const answer = await signInWith('google', { email: user.email });
    expect([answer.status, answer.body.user.id]).toEqual([200, user.id]);
    const both = await signInWith('github', { email: user.email });
    expect([both.status, both.body.user.id]).toEqual([200, user.id]);
    expect(await isTokenAlive(user.token)).toBe(true);
    expect((await call(api, logIn, { body: { email: user.email, password: user.password } })).status).toBe(200);
    expect(await identitiesOf(user.id)).toHaveLength(2);
  });

  it.each(['verified', 'unverified'])(
    'with an unverified address is refused beside a %s account, and changes nothing',
    async (kind) => {
      const user = await signUpUser(api);
      if (kind === 'verified') await verify(user);
      for (const provider of ['google', 'github'] as const) {
        const answer = await signInWith(provider, { email: user.email, isVerified: false });
        expectRefused(answer, 400, 'OAUTH_EMAIL_REQUIRED', 'email_unverified');
      }
      expect(await accountsOf(user.email)).toHaveLength(1);
      expect([await isTokenAlive(user.token), await liveSessionsOf(user.id)]).toEqual([true, 1]);
      expect(await identitiesOf(user.id)).toEqual([]);
    },
  );

  it('of a disabled user is refused like any failed exchange, by identity and by address, and starts no session', async () => {
    const email = newEmail();
    const subject = newSubject();
    const { body } = await signInWith('google', { email, subject });
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [body.user.id]);
    const known = await signInWith('google', { email, subject });
    expectRefused(known, 401, 'OAUTH_EXCHANGE_FAILED', 'user_disabled');
    expectRefused(await signInWith('github', { email }), 401, 'OAUTH_EXCHANGE_FAILED', 'user_disabled');
    expect(await liveSessionsOf(body.user.id)).toBe(0);
    expect(await identitiesOf(body.user.id)).toHaveLength(1);
    const unverified = await signUpUser(api);
    await sql('UPDATE app.users SET disabled_at = now() WHERE id = $1', [unverified.id]);
    const taken = await signInWith('google', { email: unverified.email });
    expectRefused(taken, 401, 'OAUTH_EXCHANGE_FAILED', 'user_disabled');
  });

  it('10 first sign-ins of one person at once make one user with ten sessions', async () => {
    for (const kind of ['nobody', 'an unverified account']) {
      const email = kind === 'nobody' ? newEmail() : (await signUpUser(api)).email;
      const subject = newSubject();
      const begun = await Promise.all(Array.from({ length: 10 }, () => begin(api, 'google')));
      const answers = await Promise.all(
        begun.map(({ state, cookie, authorizationUrl }) => {
          const code = agree('google', authorizationUrl, { email, subject });
          return comeBack(api, 'google', { state, code, mode: 'json' }, { cookie });
        }),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
      const users = await accountsOf(email);
      expect(users).toHaveLength(1);
      expect(new Set(answers.map(({ body }) => body.user.id))).toEqual(new Set([users[0].id]));
      expect(await identitiesOf(users[0].id)).toHaveLength(1);
      expect(await liveSessionsOf(users[0].id)).toBe(10);
    }
  });

  it('two first sign-ins of one person at once under two addresses make one user', async () => {
    for (let round = 0; round < 5; round += 1) {
      const subject = newSubject();
      const emails = [newEmail(), newEmail()];
      const begun = await Promise.all(emails.map(() => begin(api, 'google')));
      const answers = await Promise.all(
        begun.map(({ state, cookie, authorizationUrl }, index) => {
          const code = agree('google', authorizationUrl, { email: emails[index] ?? '', subject });
          return comeBack(api, 'google', { state, code, mode: 'json' }, { cookie });
        }),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(answers[0]?.body.user.id).toBe(answers[1]?.body.user.id);
      expect(await sql('SELECT FROM app.users WHERE email = ANY ($1)', [emails])).toHaveLength(1);
    }
  });
});

/** What somebody has who signed up with another's address before them. */
interface Squatter extends TestUser {
  orgId: string;
}

async function squat(): Promise<Squatter> {
  const user = await signUpUser(api);
  return { ...user, orgId: await createOrg(api, user) };
}

/** The owner arrives: one account, theirs alone, with the one session that they have just started. */
async function expectTakenOver(squatter: Squatter, provider: 'google' | 'github' = 'google'): Promise<Answer> {
  const answer = await signInWith(provider, { email: squatter.email });
  expect([answer.status, answer.body.user.id]).toEqual([200, squatter.id]);
  const users = await accountsOf(squatter.email);
  expect(users).toHaveLength(1);
  expect(users[0]).toMatchObject({
    password_hash: null,
    display_name: 'The Owner',
    email_verified_at: expect.any(Date),
  });
  expect(await liveSessionsOf(squatter.id)).toBe(1);
  expect((await identitiesOf(squatter.id)).map((identity) => identity.provider)).toEqual([provider]);
  expect(await isTokenAlive(answer.body.session.token)).toBe(true);
  return answer;
}

describe('O3: whoever took the address first keeps', () => {
  it('no password', async () => {
    const squatter = await squat();
    await expectTakenOver(squatter);
    const login = await call(api, logIn, { body: { email: squatter.email, password: squatter.password } });
    expect(login.status).toBe(401);
  });

  it('no session, neither its access token nor its refresh cookie', async () => {
    const squatter = await squat();
    const more = await call(api, logIn, { body: { email: squatter.email, password: squatter.password } });
    await expectTakenOver(squatter);
    for (const token of [squatter.token, more.body.session.token]) expect(await isTokenAlive(token)).toBe(false);
    for (const cookie of [squatter.cookie, readCookie(more.headers)]) {
      const refreshed = await call(api, refreshSession, { headers: { cookie, origin: 'http://localhost:3000' } });
      expect(refreshed.status).toBe(401);
    }
    expect(await liveSessionsOf(squatter.id)).toBe(1);
  });

  it('no identity of their own that they linked, nor one that they are about to link', async () => {
    const squatter = await squat();
    const own = { email: newEmail(), subject: newSubject() };
    expect((await linkWith(squatter.token, 'github', own)).status).toBe(200);
    const pending = await askToLink(squatter.token, 'github');
    const taken = await expectTakenOver(squatter);
    const back = await signInWith('github', own);
    expect(back.status).toBe(200);
    expect(back.body.user.id).not.toBe(taken.body.user.id); // an account of their own
    const code = agree('github', pending.authorizationUrl, { email: newEmail() });
    const late = await comeBack(
      api,
      'github',
      { state: pending.state, code, mode: 'json' },
      { cookie: pending.cookie },
    );
    expectRefused(late, 400, 'BAD_REQUEST', 'state_unknown');
    expect(await identitiesOf(squatter.id)).toHaveLength(1);
  });

  it('no link that was on its way while the owner arrived', async () => {
    const squatter = await squat();
    const pending = await askToLink(squatter.token, 'github');
    const code = agree('github', pending.authorizationUrl, { email: newEmail() });
    // GitHub answers only when the owner is in: the flow is used up by then, and would link.
    const { promise: ownerIsIn, resolve: letIn } = Promise.withResolvers<void>();
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
    github.deeds.set('/api/v3/user', (response) => {
      asked();
      void ownerIsIn.then(() => response.end(JSON.stringify({ id: newSubject(), login: 'squatter' })));
    });
    const late = comeBack(api, 'github', { state: pending.state, code, mode: 'json' }, { cookie: pending.cookie });
    await isAsked;
    await expectTakenOver(squatter);
    letIn();
    expectRefused(await late, 401, 'UNAUTHORIZED', 'session_ended');
    expect((await identitiesOf(squatter.id)).map(({ provider }) => provider)).toEqual(['google']);
  });

  it('no API key and no invitation, in any organization, and each organization is told', async () => {
    const squatter = await squat();
    const orgIds = [squatter.orgId, await createOrg(api, squatter)];
    const accomplice = await signUpUser(api);
    const keys = orgIds.map(() => `mr_${randomBytes(32).toString('base64url')}`);
    const invitations: string[] = [];
    for (const [index, orgId] of orgIds.entries()) {
      await addKey(orgId, squatter.id, keys[index] ?? '');
      const invited = await call(api, createInvitation, {
        token: squatter.token,
        params: { orgId },
        body: { email: accomplice.email, roleKey: 'admin' },
      });
      invitations.push(invited.body.invitation.token);
    }
    for (const key of keys) expect(await isTokenAlive(key)).toBe(true);
    const owner = await expectTakenOver(squatter);
    for (const key of keys) expect(await isTokenAlive(key)).toBe(false);
    for (const token of invitations) {
      const accepted = await call(api, acceptInvitation, { token: accomplice.token, params: { token } });
      expect([accepted.status, accepted.body.code]).toEqual([400, 'INVITATION_USED']);
    }
    const audited = await queryAsAdmin(
      api,
      `SELECT org_id, data FROM app.audit_log WHERE action = 'member.take-over' AND actor_user_id = $1 ORDER BY org_id`,
      [squatter.id],
    );
    const data = { apiKeys: 1, invitations: 1 };
    expect(audited).toEqual(orgIds.toSorted().map((org_id) => ({ org_id, data })));
    // The organizations go with the account.
    const me = await call(api, getMe, { token: owner.body.session.token });
    expect(me.body.memberships.map(({ organization }) => organization.id).toSorted()).toEqual(orgIds.toSorted());
  });

  it('no link in a mail, and no mail that waits to be sent', async () => {
    const squatter = await squat();
    await sql(
      `INSERT INTO app.account_tokens (id, user_id, purpose, email, token_hash, expires_at)
       VALUES ($1, $2, 'reset_password', $3, $4, now() + interval '1 hour')`,
      [newId(), squatter.id, squatter.email, randomBytes(32)],
    );
    await sql(`INSERT INTO app.account_mails (id, user_id, template, recipient) VALUES ($1, $2, 'x', $3)`, [
      newId(),
      squatter.id,
      'squatter@example.com',
    ]);
    await expectTakenOver(squatter, 'github');
    for (const table of ['account_tokens', 'account_mails'])
      expect(await sql(`SELECT FROM app.${table} WHERE user_id = $1`, [squatter.id])).toEqual([]);
    reportFigure('OAuth pre-hijack shapes', '6 taken over by the owner, 0 ways in left');
  });

  it('and after that the owner signs in and links like anybody else, and keeps what they set up', async () => {
    const squatter = await squat();
    const { body } = await expectTakenOver(squatter);
    const again = await signInWith('github', { email: squatter.email });
    expect([again.status, again.body.user.id]).toEqual([200, squatter.id]);
    expect(await isTokenAlive(body.session.token)).toBe(true);
    expect(await identitiesOf(squatter.id)).toHaveLength(2);
  });
});

async function addKey(orgId: string, userId: string, key: string): Promise<void> {
  await withOrg(api.deps.db, orgId, (tx) =>
    tx.insert(apiKeys).values({
      orgId,
      id: newId(),
      name: 'Planted',
      keyHash: hashApiKey(key),
      keyHint: key.slice(-4),
      permissions: ['org:read'],
      createdByUserId: userId,
    }),
  );
}

describe('linking while signed in', () => {
  it('links whichever address the provider has, lists it, and signs in with it', async () => {
    const user = await signUpUser(api);
    const claims = { email: newEmail(), subject: newSubject() };
    const linked = await linkWith(user.token, 'github', claims);
    expect(linked.status).toBe(200);
    expect(linked.body).toEqual({ user: user.user, provider: 'github', linked: true });
    expect(linked.headers['set-cookie']).toBeUndefined();
    const { body } = await call(api, listIdentities, { token: user.token });
    const time = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(body.identities).toEqual([{ provider: 'github', email: claims.email, createdAt: time, lastUsedAt: time }]);
    expect((await signInWith('github', claims)).body.user.id).toBe(user.id);
    expect(await isTokenAlive(user.token)).toBe(true);
    expect((await linkWith(user.token, 'github', claims)).status).toBe(200); // again: nothing to do
  });

  it('sends a browser on to the web app without signing anybody in', async () => {
    const user = await signUpUser(api);
    const { authorizationUrl, state, cookie } = await askToLink(user.token, 'google');
    const code = agree('google', authorizationUrl, { email: newEmail() });
    const answer = await comeBack(api, 'google', { state, code }, { cookie, accept: 'text/html' });
    expect([answer.status, answer.headers.location]).toEqual([302, 'http://localhost:3000/']);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(await identitiesOf(user.id)).toHaveLength(1);
    expect(await liveSessionsOf(user.id)).toBe(1);
  });

  it('takes a session and the cookie of the browser that asked', async () => {
    expect((await call(api, linkIdentity, { params: { provider: 'google' } })).status).toBe(401);
    const user = await signUpUser(api);
    const { authorizationUrl, state } = await askToLink(user.token, 'google');
    const code = agree('google', authorizationUrl, { email: newEmail() });
    const { cookie } = await begin(api, 'google'); // a browser of somebody else
    const answer = await comeBack(api, 'google', { state, code, mode: 'json' }, { cookie });
    expectRefused(answer, 400, 'BAD_REQUEST', 'browser_mismatch');
    expect(await identitiesOf(user.id)).toEqual([]);
  });

  it('refuses an identity of somebody else, and a second one of the same provider', async () => {
    const [user, other] = [await signUpUser(api), await signUpUser(api)];
    const claims = { email: newEmail(), subject: newSubject() };
    await linkWith(other.token, 'google', claims);
    expectRefused(await linkWith(user.token, 'google', claims), 409, 'CONFLICT', 'identity_of_somebody_else');
    const second = await linkWith(other.token, 'google', { email: newEmail() });
    expectRefused(second, 409, 'CONFLICT', 'account_has_other_identity');
    expect([await identitiesOf(user.id), (await identitiesOf(other.id)).length]).toEqual([[], 1]);
  });

  it('lets one of two people have an identity that both link at once', async () => {
    const people = [await signUpUser(api), await signUpUser(api)];
    const claims = { email: newEmail(), subject: newSubject() };
    const asked = await Promise.all(people.map(({ token }) => askToLink(token, 'google')));
    const answers = await Promise.all(
      asked.map(({ authorizationUrl, state, cookie }) => {
        const code = agree('google', authorizationUrl, claims);
        return comeBack(api, 'google', { state, code, mode: 'json' }, { cookie });
      }),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(await sql('SELECT FROM app.user_identities WHERE subject = $1', [String(claims.subject)])).toHaveLength(1);
  });

  it('is refused beyond ten links under way of one account, whatever browser cookies it sends', async () => {
    const [user, other] = [await signUpUser(api), await signUpUser(api)];
    for (let open = 0; open < MAX_OPEN_LINKS; open += 1) await askToLink(user.token, 'google');
    const asked = await call(api, linkIdentity, { token: user.token, params: { provider: 'github' } });
    expect([asked.status, asked.body.code]).toEqual([429, 'RATE_LIMITED']);
    await askToLink(other.token, 'google');
  });

  it('counts only while the session that asked does', async () => {
    const user = await signUpUser(api);
    const { authorizationUrl, state, cookie } = await askToLink(user.token, 'google');
    await sql('UPDATE app.auth_sessions SET revoked_at = now() WHERE user_id = $1', [user.id]);
    const code = agree('google', authorizationUrl, { email: newEmail() });
    const answer = await comeBack(api, 'google', { state, code, mode: 'json' }, { cookie });
    expectRefused(answer, 401, 'UNAUTHORIZED', 'session_ended');
    expect(await identitiesOf(user.id)).toEqual([]);
  });
});

describe('O3: mails about a new way in', () => {
  const mailsTo = async (email: string, subject: RegExp) => {
    await eventually('every mail has left', async () => (await sql('SELECT FROM app.account_mails')).length === 0);
    return (await api.readMails()).filter((mail) => mail.to === email && subject.test(mail.subject));
  };

  it('tell the owner of an account of each provider that is linked, once, signed in or not', async () => {
    const user = await signUpUser(api);
    await verify(user);
    const claims = { email: newEmail(), subject: newSubject() };
    expect((await linkWith(user.token, 'github', claims)).status).toBe(200);
    expect((await linkWith(user.token, 'github', claims)).status).toBe(200); // again: nothing new
    expect((await signInWith('github', claims)).status).toBe(200);
    const [mail, ...others] = await mailsTo(user.email, /was linked/);
    expect(others).toEqual([]);
    expect(mail?.subject).toBe('GitHub was linked to your account');
    expect(mail?.text).toContain(claims.email);
    expect(mail?.text).toContain('\nhttp://localhost:3000/forgot-password\n');
    const subject = newSubject();
    for (const _ of [1, 2]) expect((await signInWith('google', { email: user.email, subject })).status).toBe(200);
    expect((await mailsTo(user.email, /^Google was linked/)).length).toBe(1);
    expect(await mailsTo(claims.email, /./)).toEqual([]);
  });

  it('are not sent for an account that the provider made, nor to whoever is refused', async () => {
    const email = newEmail();
    const { body } = await signInWith('google', { email });
    const other = await signUpUser(api);
    await linkWith(body.session.token, 'google', { email: newEmail() });
    expect([await mailsTo(email, /linked/), await mailsTo(other.email, /linked/)]).toEqual([[], []]);
  });

  it('name the providers that still sign in when the password changes', async () => {
    const [linked, plain] = [await signUpUser(api), await signUpUser(api)];
    for (const provider of ['google', 'github'] as const) await linkWith(linked.token, provider, { email: newEmail() });
    for (const { token, password } of [linked, plain]) {
      const body = { currentPassword: password, newPassword: 'a wholly new passphrase 7' };
      expect((await call(api, changePassword, { token, body })).status).toBe(200);
    }
    const textOf = async (user: TestUser) => (await mailsTo(user.email, /password was changed/))[0]?.text;
    expect(await textOf(linked)).toContain('Signing in with GitHub and Google still works');
    expect(await textOf(plain)).not.toContain('Signing in with');
  });
});

describe('unlinking', () => {
  const unlink = (token: string, provider: string) => call(api, unlinkIdentity, { token, params: { provider } });

  it('ends the sign-in with the provider, and answers 404 for one that is not linked', async () => {
    const user = await signUpUser(api);
    const claims = { email: newEmail(), subject: newSubject() };
    await linkWith(user.token, 'google', claims);
    expect((await unlink(user.token, 'github')).status).toBe(404);
    expect((await unlink(user.token, 'google')).body).toEqual({ ok: true });
    expect((await unlink(user.token, 'google')).status).toBe(404);
    expect((await signInWith('google', claims)).body.user.id).not.toBe(user.id);
  });

  it('is refused for the only way in, also when both of two go at once', async () => {
    const email = newEmail();
    const { body } = await signInWith('google', { email });
    const { token } = body.session;
    const only = await unlink(token, 'google');
    expect([only.status, only.body.code]).toEqual([409, 'CONFLICT']);
    await linkWith(token, 'github', { email });
    const both = await Promise.all([unlink(token, 'google'), unlink(token, 'github')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(await identitiesOf(body.user.id)).toHaveLength(1);
  });
});
