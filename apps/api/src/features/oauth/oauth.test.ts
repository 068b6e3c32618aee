import { listSignInProviders, startOAuth } from '@millrace/shared/contracts/auth';
import { linkIdentity } from '@millrace/shared/contracts/identities';
import { getMe } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, readCookie, signUpUser, type TestApi } from '../../testing.ts';
import { queryAsAdmin } from '../organizations/testing.ts';
import { MAX_OPEN_FLOWS, MAX_OPEN_FLOWS_PER_NETWORK } from './flows.ts';
import { toReturnPath, toWebUrl } from './return-path.ts';
import { begin, comeBack, reasonsOf } from './testing.ts';
import { CLIENT, startWrongDoer, type WrongDoer } from './testing-oidc.ts';

const WEB = 'http://localhost:3000';
const PAGE = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

let api: TestApi;
/** Another instance on the same database, with the same secrets. */
let second: TestApi;
let doer: WrongDoer;

beforeAll(async () => {
  doer = await startWrongDoer();
  api = await openTestApi({
    GOOGLE_CLIENT_ID: CLIENT.id,
    GOOGLE_CLIENT_SECRET: CLIENT.secret,
    OAUTH_GOOGLE_ISSUER: doer.issuer,
  });
  const deps = await openDeps(api.deps.config, api.deps.log);
  second = { ...api, deps, app: await buildApp(deps) };
});
afterAll(async () => {
  await second.app.close();
  await closeDeps(second.deps);
  await api.close();
  await doer.close();
});

const somebody = () => {
  const id = newId();
  doer.person = { sub: id, email: `${id}@example.com`, email_verified: true, name: 'Ada' };
  return doer.person;
};
const sql = async (text: string, values: unknown[] = []) => (await api.deps.db.pool.query(text, values)).rows;

it('the web app is told which providers there are, and nothing else about them', async () => {
  const { status, body } = await call(api, listSignInProviders, {});
  expect([status, body]).toEqual([200, { providers: ['google'] }]);
});

describe('start', () => {
  it('O1: sends the browser to the provider with state, nonce, PKCE and our scopes, and sets the cookie', async () => {
    const answer = await api.app.inject('/v1/auth/oauth/google/start');
    expect(answer.statusCode).toBe(302);
    const url = new URL(String(answer.headers.location));
    expect(`${url.origin}${url.pathname}`).toBe(`${doer.issuer}/authorize`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: CLIENT.id,
      response_type: 'code',
      redirect_uri: `${WEB}/v1/auth/oauth/google/callback`,
      scope: 'openid email profile',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    expect(answer.headers['set-cookie']).toMatch(/^of=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('A9: sets the cookie with its prefix and Secure when the web app is on https', async () => {
    const config = { ...api.deps.config, WEB_BASE_URL: 'https://millrace.example' };
    const deps = await openDeps(config, api.deps.log);
    const app = await buildApp(deps);
    const answer = await app.inject('/v1/auth/oauth/google/start');
    expect(answer.headers['set-cookie']).toMatch(
      /^__Host-of=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(new URL(String(answer.headers.location)).searchParams.get('redirect_uri')).toBe(
      'https://millrace.example/v1/auth/oauth/google/callback',
    );
    await app.close();
    await closeDeps(deps);
  });

  it('takes the redirect URI that the provider was told, when it is another', async () => {
    const GOOGLE_REDIRECT_URI = 'https://other.example/callback';
    const deps = await openDeps({ ...api.deps.config, GOOGLE_REDIRECT_URI }, api.deps.log);
    const app = await buildApp(deps);
    const { authorizationUrl } = (await app.inject('/v1/auth/oauth/google/start?mode=json')).json();
    expect(new URL(authorizationUrl).searchParams.get('redirect_uri')).toBe(GOOGLE_REDIRECT_URI);
    await app.close();
    await closeDeps(deps);
  });

  it('O1: keeps hashes of state and cookie, and the verifier sealed', async () => {
    somebody();
    const { state, cookie, authorizationUrl } = await begin(api, 'google');
    const [row] = await sql(
      `SELECT *, expires_at - created_at AS life FROM app.oauth_flows WHERE state_hash = sha256($1)`,
      [state],
    );
    expect(row).toMatchObject({ provider: 'google', return_path: '/', user_id: null, life: { minutes: 10 } });
    const stored = JSON.stringify(
      Object.values(row).map((value) => (Buffer.isBuffer(value) ? value.toString() : value)),
    );
    for (const secret of [state, cookie.slice('of='.length)]) expect(stored).not.toContain(secret);
    const code = doer.agree(authorizationUrl);
    expect((await comeBack(api, 'google', { state, code, mode: 'json' }, { cookie })).status).toBe(200);
    const verifier = doer.secrets.findLast((secret) => /^[\w-]{43}$/.test(secret)) ?? '';
    expect(stored).not.toContain(verifier);
  });

  it('a verifier moved to another flow does not open: the callback fails and nobody is signed in', async () => {
    const [one, other] = [await begin(api, 'google'), await begin(api, 'google')];
    const sealed = `(SELECT sealed_verifier FROM app.oauth_flows WHERE state_hash = sha256($2))`;
    await queryAsAdmin(api, `UPDATE app.oauth_flows SET sealed_verifier = ${sealed} WHERE state_hash = sha256($1)`, [
      one.state,
      other.state,
    ]);
    const asked = doer.hits.get('/token');
    const query = { state: one.state, code: doer.agree(one.authorizationUrl), mode: 'json' };
    const answer = await comeBack(api, 'google', query, { cookie: one.cookie });
    expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(reasonsOf(api, answer.body.requestId)).toEqual(['flow_unreadable']);
    expect(doer.hits.get('/token')).toBe(asked);
  });

  it('A4: refuses one IPv6 /48 or IPv4 address that has too many flows open, from whichever address of it, and nobody else', async () => {
    const start = async (remoteAddress: string) =>
      (await api.app.inject({ url: '/v1/auth/oauth/google/start?mode=json', remoteAddress })).statusCode;
    await sql('DELETE FROM app.oauth_flows');
    expect([await start('2001:db8:5:1::1'), await start('203.0.113.7')]).toEqual([200, 200]);
    await queryAsAdmin(
      api,
      `INSERT INTO app.oauth_flows (state_hash, browser_hash, provider, sealed_verifier, return_path, expires_at, network)
       SELECT sha256((network || n)::bytea), sha256(n::text::bytea), 'google', '', '/', now() + interval '5 min', network
       FROM generate_series(1, $1::integer) n, (SELECT DISTINCT network FROM app.oauth_flows) networks`,
      [MAX_OPEN_FLOWS_PER_NETWORK - 1],
    );
    for (const address of ['2001:db8:5:1::2', '2001:db8:5:ffff::1', '203.0.113.7'])
      expect(await start(address)).toBe(429);
    for (const address of ['2001:db8:6:1::2', '203.0.113.8']) expect(await start(address)).toBe(200);
    expect(MAX_OPEN_FLOWS_PER_NETWORK * 10).toBeLessThan(MAX_OPEN_FLOWS);
    await sql('DELETE FROM app.oauth_flows');
  });

  it('refuses everybody when there are too many flows altogether, and clears away what has expired', async () => {
    await sql('DELETE FROM app.oauth_flows');
    const fill = `INSERT INTO app.oauth_flows (state_hash, browser_hash, provider, sealed_verifier, return_path, expires_at)
      SELECT sha256(n::text::bytea), sha256(n::text::bytea), 'google', '', '/', now() + make_interval(mins => $1)
      FROM generate_series(1, ${MAX_OPEN_FLOWS}) n`;
    await sql(fill, [5]);
    const refused = await call(api, startOAuth, { params: { provider: 'google' }, query: { mode: 'json' } });
    expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMITED']);
    await sql('DELETE FROM app.oauth_flows');
    await sql(fill, [-5]);
    await begin(api, 'google');
    expect(await sql('SELECT FROM app.oauth_flows')).toHaveLength(1);
  });
});

describe('callback', () => {
  it('O1: started on one instance, finished on the other: a session that works, the refresh cookie, no token elsewhere', async () => {
    const person = somebody();
    const { state, cookie, authorizationUrl } = await begin(api, 'google');
    const code = doer.agree(authorizationUrl);
    const answer = await comeBack(second, 'google', { state, code, mode: 'json' }, { cookie });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      provider: 'google',
      user: { email: person.email, displayName: 'Ada' },
      session: { tokenType: 'access', email: person.email },
    });
    expect(readCookie(answer.headers)).toMatch(/^rt=/);
    const me = await call(api, getMe, { token: answer.body.session.token });
    expect([me.status, me.body.user]).toEqual([200, answer.body.user]);
  });

  it('O1: of 20 parallel callbacks on both instances one succeeds, and the code is sent once', async () => {
    somebody();
    const { state, cookie, authorizationUrl } = await begin(api, 'google');
    const query = { state, code: doer.agree(authorizationUrl), mode: 'json' };
    const asked = doer.hits.get('/token') ?? 0;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => comeBack(index % 2 ? api : second, 'google', query, { cookie })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(19).fill(400)]);
    expect(doer.hits.get('/token')).toBe(asked + 1);
    const refused = answers.filter(({ status }) => status === 400);
    for (const { body } of refused) expect(reasonsOf(api, body.requestId)).toEqual(['state_unknown']);
    reportFigure('OAuth: 20 parallel callbacks of one sign-in', '1 success, 1 exchange, 19 refused');
  });

  it('sends a browser on to the web app with the cookie and nothing in the address', async () => {
    somebody();
    const { state, cookie, authorizationUrl } = await begin(api, 'google', { returnTo: '/flows?tab=2#top' });
    const code = doer.agree(authorizationUrl);
    const answer = await comeBack(api, 'google', { state, code }, { cookie, ...PAGE });
    expect([answer.status, answer.headers.location]).toEqual([302, `${WEB}/flows?tab=2#top`]);
    expect(readCookie(answer.headers)).toMatch(/^rt=/);
    expect(answer.text).toBe('');
  });

  it('sends a browser with a failure to the sign-in page, with the code and nothing that came in', async () => {
    const { cookie } = await begin(api, 'google');
    for (const [query, code] of [
      ['state=canary&code=canary&error=canary', 'BAD_REQUEST'],
      ['state=%00&code=canary', 'BAD_REQUEST'],
      ['', 'BAD_REQUEST'],
    ]) {
      const answer = await comeBack(api, 'google', query ?? '', { cookie, ...PAGE });
      expect([answer.status, answer.headers.location]).toEqual([302, `${WEB}/sign-in#error=${code}`]);
      expect(answer.text).not.toContain('canary');
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    const start = await api.app.inject({ url: '/v1/auth/oauth/github/start', headers: PAGE });
    expect(start.headers.location).toBe(`${WEB}/sign-in#error=OAUTH_PROVIDER_NOT_CONFIGURED`);
  });

  it('answers the envelope, whatever it accepts, to whoever asked for JSON', async () => {
    const answer = await comeBack(api, 'google', { mode: 'json', state: 'x' }, PAGE);
    expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST']);
  });

  it('takes the address from the userinfo endpoint when the id_token leaves it out', async () => {
    const sub = newId();
    const userInfo = { sub, email: `${sub}@example.com`, email_verified: true };
    const { issuer } = doer;
    for (const [about, status] of [
      [userInfo, 200],
      [{ ...userInfo, sub: 'somebody else' }, 401],
      [{ ...userInfo, email_verified: false }, 200], // by now known by its subject
    ] as const) {
      doer.person = { sub };
      doer.deed = { metadata: { userinfo_endpoint: `${issuer}/userinfo` }, userInfo: about };
      const deps = await openDeps(api.deps.config, api.deps.log); // asks for the provider's description anew
      const other = { ...api, deps, app: await buildApp(deps) };
      const { state, cookie, authorizationUrl } = await begin(other, 'google');
      const query = { state, code: doer.agree(authorizationUrl), mode: 'json' };
      expect((await comeBack(other, 'google', query, { cookie })).status).toBe(status);
      await other.app.close();
      await closeDeps(deps);
    }
    doer.deed = {};
  });

  it('keeps attempts in two tabs of one browser apart and both alive', async () => {
    somebody();
    const first = await begin(api, 'google');
    const { cookie, ...other } = await begin(api, 'google', { cookie: first.cookie, returnTo: '/other' });
    expect(cookie).toBe(first.cookie);
    for (const { state, authorizationUrl } of [other, first]) {
      const query = { state, code: doer.agree(authorizationUrl) };
      expect((await comeBack(api, 'google', query, { cookie })).status).toBe(302);
    }
  });
});

describe('O4: the return path', () => {
  const bases = ['http://localhost:3000', 'https://millrace.example', 'https://millrace.example/app/'];

  it.each([
    ['/', '/'],
    ['/runs', '/runs'],
    ['/a/../b?x=//evil.example#/y', '/b?x=//evil.example#/y'],
    ['/caf\u00e9', '/caf%C3%A9'],
    [undefined, '/'],
    ['', '/'],
    ['runs', '/'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['\\/evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/\n/evil.example', '/'],
    ['/%2fevil.example', '/%2fevil.example'],
    ['/.//evil.example', '/'],
    ['/..//evil.example', '/'],
    ['/x/..//evil.example', '/'],
    ['/x\\..\\\\evil.example', '/'],
    ['https://evil.example', '/'],
    ['javascript:alert(1)', '/'],
    [' /runs', '/'],
    ['/\u0000', '/'],
    ['/\u007f', '/'],
    ['/\ud800', '/'],
    [`/${'a'.repeat(2000)}`, '/'],
  ])('%j becomes %j', (wanted, expected) => {
    expect(toReturnPath(wanted, WEB)).toBe(expected);
  });

  it('whatever was asked for, the address is ours and its path cannot be read as another host', () => {
    const piece = fc.constantFrom(
      ...['/', '//', '\\', '..', '.', '@', ':', '?', '#', '%2f', '%5c', '%0d%0a', '\t', '\n', '\r', '\u0000', ' '],
      ...['evil.example', 'localhost:3000', 'user:pass@evil.example', 'https:', 'javascript:', 'data:', '[::1]', '。'],
    );
    const wanted = fc.oneof(
      fc
        .array(fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 4 })), { maxLength: 8 })
        .map((all) => all.join('')),
      fc.array(piece, { maxLength: 6 }).map((all) => `/${all.join('')}`),
      fc.webUrl(),
      fc.string({ unit: 'binary', maxLength: 40 }),
    );
    let count = 0;
    fc.assert(
      fc.property(wanted, fc.constantFrom(...bases), (text, base) => {
        const path = toReturnPath(text, base);
        expect(path).toMatch(/^\/(?![/\\])[\x21-\x7e]*$/);
        const url = toWebUrl(base, path);
        expect(new URL(url).origin).toBe(new URL(base).origin);
        // Also for a web app that takes the path alone and resolves it.
        expect(new URL(path, base).origin).toBe(new URL(base).origin);
        expect(toReturnPath(path, base)).toBe(path);
        count += 1;
      }),
      { numRuns: 20_000 },
    );
    reportFigure('OAuth return paths', `${count} generated, 0 leave the web app`);
  });

  it('is judged when the sign-in starts, for links as well', async () => {
    const user = await signUpUser(api);
    for (const returnTo of ['//evil.example', 'https://evil.example/x', '/\\evil.example']) {
      somebody();
      const begun = await begin(api, 'google', { returnTo });
      const code = doer.agree(begun.authorizationUrl);
      const answer = await comeBack(api, 'google', { state: begun.state, code }, { cookie: begun.cookie });
      expect(answer.headers.location).toBe(`${WEB}/`);
      await call(api, linkIdentity, { token: user.token, params: { provider: 'google' }, query: { returnTo } });
    }
    expect(await sql(`SELECT FROM app.oauth_flows WHERE user_id = $1 AND return_path <> '/'`, [user.id])).toEqual([]);
  });
});
