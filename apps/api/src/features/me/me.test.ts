import { logIn, logOut } from '@millrace/shared/contracts/auth';
import { getMe, listSessions, revokeSession } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const logInAgain = (user: TestUser, userAgent: string) =>
  call(api, logIn, {
    body: { email: user.email, password: user.password },
    headers: { 'user-agent': userAgent },
  });

it('shows the caller with their own organizations and roles, and nobody else’s', async () => {
  const [ada, bob] = await Promise.all([signUpUser(api), signUpUser(api)]);
  const own = await createOrg(api, ada);
  const shared = await createOrg(api, bob, [[ada, 'member']]);
  await createOrg(api, bob);
  const { status, body } = await call(api, getMe, { token: ada.token });
  expect(status).toBe(200);
  expect(body.user).toEqual(ada.user);
  expect(body).toMatchObject({ emailVerified: false, hasPassword: true });
  expect(body.memberships).toEqual([
    {
      organization: { id: own, slug: `org-${own}`, name: 'Test organization', createdAt: expect.any(String) },
      roleKey: 'owner',
    },
    {
      organization: { id: shared, slug: `org-${shared}`, name: 'Test organization', createdAt: expect.any(String) },
      roleKey: 'member',
    },
  ]);
});

it('answers 401 for every way of not being signed in', async () => {
  const user = await signUpUser(api);
  const forged = `${user.token.slice(0, -4)}AAAA`;
  const headers = [
    '',
    'Bearer',
    'Bearer ',
    `Basic ${user.token}`,
    user.token,
    `Bearer ${forged}`,
    `Bearer ${user.token} x`,
  ];
  for (const authorization of headers)
    expect((await call(api, getMe, { headers: { authorization } })).status, authorization).toBe(401);
  expect(await call(api, getMe)).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
  expect((await call(api, listSessions)).status).toBe(401);
  expect((await call(api, revokeSession, { params: { sessionId: user.session.sessionId } })).status).toBe(401);
});

it('stops at once for a user who is gone', async () => {
  const user = await signUpUser(api);
  await api.deps.db.pool.query('DELETE FROM app.auth_sessions WHERE user_id = $1', [user.id]);
  expect((await call(api, getMe, { token: user.token })).status).toBe(401);
});

it('A8: lists the caller’s live sessions, last used first', async () => {
  const user = await signUpUser(api);
  await signUpUser(api);
  const phone = await logInAgain(user, `Phone ${'x'.repeat(2000)}`);
  const ended = await logInAgain(user, 'Ended');
  await call(api, logOut, { token: ended.body.session.token });
  const { status, body } = await call(api, listSessions, { token: user.token });
  expect(status).toBe(200);
  expect(body.sessions.map((session) => [session.id, session.isCurrent])).toEqual([
    [phone.body.session.sessionId, false],
    [user.session.sessionId, true],
  ]);
  expect(body.sessions[0]).toMatchObject({ ipAddress: '127.0.0.1', userAgent: expect.stringMatching(/^Phone x+$/) });
  expect(body.sessions[0]?.userAgent).toHaveLength(400);
  expect(Object.keys(body.sessions[0] ?? {}).toSorted()).toEqual(
    ['createdAt', 'device', 'expiresAt', 'id', 'ipAddress', 'isCurrent', 'lastUsedAt', 'userAgent'].toSorted(),
  );
});

it('A8: ends one session at once and leaves the others', async () => {
  const user = await signUpUser(api);
  const phone = await logInAgain(user, 'Phone');
  const { sessionId, token } = phone.body.session;
  const end = () => call(api, revokeSession, { token: user.token, params: { sessionId } });
  expect(await end()).toMatchObject({ status: 200, body: { ok: true } });
  expect((await call(api, getMe, { token })).status).toBe(401);
  expect((await call(api, getMe, { token: user.token })).status).toBe(200);
  expect((await end()).status).toBe(404);
});

it('A8: answers somebody else’s session exactly like one that does not exist', async () => {
  const [ada, bob] = await Promise.all([signUpUser(api), signUpUser(api)]);
  const end = (sessionId: string) => call(api, revokeSession, { token: ada.token, params: { sessionId } });
  const foreign = await end(bob.session.sessionId);
  const unknown = await end(newId());
  expect(foreign.status).toBe(404);
  expect({ ...foreign.body, requestId: '' }).toEqual({ ...unknown.body, requestId: '' });
  expect((await call(api, getMe, { token: bob.token })).status).toBe(200);
  expect((await end('not-a-uuid')).status).toBe(400);
});
