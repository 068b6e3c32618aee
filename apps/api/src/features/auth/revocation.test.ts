import { logIn, logOut, logOutAll, refreshSession } from '@millrace/shared/contracts/auth';
import { getMe, revokeSession } from '@millrace/shared/contracts/me';
import { changeMemberRole, removeMember, updateOrganization } from '@millrace/shared/contracts/organizations';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { queryAsAdmin } from '../organizations/testing.ts';

const ORIGIN = 'http://localhost:3000';

/** Two instances on one database, as behind a load balancer: what one revokes, the other must know at the next request. */
let api: TestApi;
let second: TestApi;
beforeAll(async () => {
  api = await openTestApi();
  const deps = await openDeps(api.deps.config, api.deps.log);
  second = { ...api, deps, app: await buildApp(deps) };
});
afterAll(async () => {
  await second.app.close();
  await closeDeps(second.deps);
  await api.close();
});

const statusAt = async (instance: TestApi, token: string) => (await call(instance, getMe, { token })).status;
const byCookie = ({ cookie }: TestUser) => ({ headers: { cookie, origin: ORIGIN } });

const revocations: [name: string, revoke: (user: TestUser) => Promise<unknown>][] = [
  ['signs out', ({ token }) => call(api, logOut, { token })],
  ['signs out by cookie', (user) => call(api, logOut, byCookie(user))],
  ['signs out everywhere', ({ token }) => call(api, logOutAll, { token })],
  ['signs out everywhere by cookie', (user) => call(api, logOutAll, byCookie(user))],
  [
    'ends this session from another one',
    async ({ email, password, session }) => {
      const other = await call(api, logIn, { body: { email, password } });
      await call(api, revokeSession, { token: other.body.session.token, params: { sessionId: session.sessionId } });
    },
  ],
  [
    'had the refresh token stolen',
    async (user) => {
      await call(api, refreshSession, byCookie(user));
      await queryAsAdmin(api, `UPDATE app.auth_sessions SET rotated_at = now() - interval '1 hour' WHERE id = $1`, [
        user.session.sessionId,
      ]);
      expect((await call(api, refreshSession, byCookie(user))).status).toBe(401);
    },
  ],
  ['is disabled', ({ id }) => queryAsAdmin(api, 'UPDATE app.users SET disabled_at = now() WHERE id = $1', [id])],
];

describe('A6: a session ends on every instance at the next request when its user', () => {
  it.each(revocations)('%s', async (_name, revoke) => {
    const user = await signUpUser(api);
    expect([await statusAt(second, user.token), await statusAt(api, user.token)]).toEqual([200, 200]);
    await revoke(user);
    expect([await statusAt(second, user.token), await statusAt(api, user.token)]).toEqual([401, 401]);
    expect((await call(second, refreshSession, byCookie(user))).status).toBe(401);
  });
});

it('A6: revoking between two requests of a stream refuses everything from there on, never before', async () => {
  const user = await signUpUser(api);
  for (let count = 0; count < 20; count += 1) expect(await statusAt(second, user.token)).toBe(200);
  await call(api, logOut, { token: user.token });
  const after = await Promise.all(Array.from({ length: 20 }, () => statusAt(second, user.token)));
  expect(new Set(after)).toEqual(new Set([401]));
});

it('A6: a removed member and a lowered role count on the other instance at the next request', async () => {
  const [owner, admin] = await Promise.all([signUpUser(api), signUpUser(api)]);
  const orgId = await createOrg(api, owner, [[admin, 'admin']]);
  const rename = () =>
    call(second, updateOrganization, { token: admin.token, params: { orgId }, body: { name: 'Renamed' } });
  expect((await rename()).status).toBe(200);

  const member = { token: owner.token, params: { orgId, memberId: admin.id } };
  expect((await call(api, changeMemberRole, { ...member, body: { roleKey: 'member' } })).status).toBe(200);
  expect(await rename()).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  expect((await call(api, changeMemberRole, { ...member, body: { roleKey: 'admin' } })).status).toBe(200);
  expect((await rename()).status).toBe(200);

  expect((await call(api, removeMember, member)).status).toBe(200);
  expect(await rename()).toMatchObject({ status: 403, body: { code: 'ORG_ACCESS_DENIED' } });
  expect(await statusAt(second, admin.token)).toBe(200);
});
