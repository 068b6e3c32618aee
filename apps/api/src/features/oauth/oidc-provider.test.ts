import { getMe } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { begin, comeBack } from './testing.ts';
import { OIDC_CLIENT, startOidcProvider } from './testing-oidc-provider.ts';

const REDIRECT_URI = 'http://localhost:3000/v1/auth/oauth/google/callback';

let api: TestApi;
let provider: Awaited<ReturnType<typeof startOidcProvider>>;

beforeAll(async () => {
  provider = await startOidcProvider(REDIRECT_URI);
  api = await openTestApi({
    GOOGLE_CLIENT_ID: OIDC_CLIENT.id,
    GOOGLE_CLIENT_SECRET: OIDC_CLIENT.secret,
    OAUTH_GOOGLE_ISSUER: provider.issuer,
  });
});
afterAll(async () => {
  await api.close();
  await provider.close();
});

/** A person at the provider: goes where it sends them, types their address, and stops at our callback. */
async function walkThrough(authorizationUrl: string, email: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(authorizationUrl);
  for (let hops = 0; hops < 10; hops += 1) {
    if (url.href.startsWith(REDIRECT_URI)) return url;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const isLogin = url.pathname.startsWith('/login/');
    const form = isLogin && { method: 'POST', body: new URLSearchParams({ email }) };
    const response = await fetch(url, { ...form, headers: { cookie }, redirect: 'manual' });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    url = new URL(response.headers.get('location') ?? '', url);
  }
  throw new Error('the provider never came back');
}

it('O2: signs in through a certified OpenID provider from start to callback, and knows the person again', async () => {
  const email = `${newId()}@example.com`;
  const userIds = [];
  for (const round of [1, 2]) {
    const { authorizationUrl, cookie } = await begin(api, 'google');
    const callback = await walkThrough(authorizationUrl, email);
    expect([...callback.searchParams.keys()].toSorted()).toEqual(['code', 'iss', 'state']);
    const answer = await comeBack(api, 'google', `${callback.search.slice(1)}&mode=json`, { cookie });
    expect(answer.status, `round ${round}: ${answer.text}`).toBe(200);
    expect(answer.body.user).toMatchObject({ email, displayName: 'Grace' });
    expect((await call(api, getMe, { token: answer.body.session.token })).status).toBe(200);
    userIds.push(answer.body.user.id);
  }
  expect(userIds[1]).toBe(userIds[0]);
});

it('O5: a code that the provider took already is refused by it, and ends in a failed exchange', async () => {
  const email = `${newId()}@example.com`;
  const first = await begin(api, 'google');
  const used = await walkThrough(first.authorizationUrl, email);
  expect((await comeBack(api, 'google', used.search.slice(1), { cookie: first.cookie })).status).toBe(302);
  const second = await begin(api, 'google');
  const query = { state: second.state, code: used.searchParams.get('code') ?? '', iss: provider.issuer, mode: 'json' };
  const answer = await comeBack(api, 'google', query, { cookie: second.cookie });
  expect([answer.status, answer.body.code]).toEqual([401, 'OAUTH_EXCHANGE_FAILED']);
});
