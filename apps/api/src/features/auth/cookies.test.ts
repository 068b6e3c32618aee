import { logOut, refreshSession } from '@millrace/shared/contracts/auth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, readCookie, signUpUser, type TestApi } from '../../testing.ts';

const ORIGIN = 'https://flows.example.com';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ WEB_BASE_URL: `${ORIGIN}/app`, SESSION_TTL_SEC: 7200, SESSION_MAX_SEC: 3600 });
});
afterAll(() => api.close());

it('A9: uses a cookie that only https and this very host can set, when people come by https', async () => {
  const { cookie } = await signUpUser(api);
  expect(cookie).toMatch(/^__Host-rt=/);
  const answer = await call(api, refreshSession, { headers: { cookie, origin: ORIGIN } });
  expect(answer.status).toBe(200);
  const set = String(answer.headers['set-cookie']);
  expect(set.replace(/=[^;]+/, '=token')).toMatch(
    /^__Host-rt=token; Max-Age=(3600|3599|3598); Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  );
  const cleared = await call(api, logOut, { headers: { cookie: readCookie(answer.headers), origin: ORIGIN } });
  expect(cleared.headers['set-cookie']).toBe('__Host-rt=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict');
});

it('A9: does not take the unprefixed cookie, which a subdomain could plant', async () => {
  const { cookie } = await signUpUser(api);
  const planted = cookie.replace('__Host-', '');
  const answer = await call(api, refreshSession, { headers: { cookie: planted, origin: ORIGIN } });
  expect(answer.status).toBe(401);
});

it('A10: takes the same host by plain http for a stranger', async () => {
  const { cookie } = await signUpUser(api);
  const answer = await call(api, refreshSession, { headers: { cookie, origin: 'http://flows.example.com' } });
  expect(answer.status).toBe(403);
});
