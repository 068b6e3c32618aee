import { createServer, type Server, type ServerResponse } from 'node:http';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../testing.ts';
import { MAX_OPEN_FLOWS_PER_BROWSER } from './flows.ts';
import { type Answer, type Begun, begin, comeBack, reasonsOf } from './testing.ts';
import { GITHUB_CLIENT, startTestGithub, type TestGithub } from './testing-github.ts';
import {
  CLIENT,
  close,
  type Deed,
  hmac,
  joinToken,
  listen,
  makeKeys,
  type Person,
  sendJson,
  signWith,
  startWrongDoer,
  type WrongDoer,
} from './testing-oidc.ts';

let api: TestApi;
let doer: WrongDoer;
let github: TestGithub;
let refusedCount = 0;
const foreignKey = makeKeys().privateKey;

beforeAll(async () => {
  [doer, github] = await Promise.all([startWrongDoer(), startTestGithub()]);
  api = await openTestApi({
    GOOGLE_CLIENT_ID: CLIENT.id,
    GOOGLE_CLIENT_SECRET: CLIENT.secret,
    OAUTH_GOOGLE_ISSUER: doer.issuer,
    GITHUB_CLIENT_ID: GITHUB_CLIENT.id,
    GITHUB_CLIENT_SECRET: GITHUB_CLIENT.secret,
    OAUTH_GITHUB_BASE_URL: github.baseUrl,
  });
});
afterEach(() => {
  doer.deed = {};
  github.deeds.clear();
});
afterAll(async () => {
  await api.close();
  await Promise.all([doer.close(), github.close()]);
});

const somebody = (): Person => {
  const id = newId();
  return { sub: id, email: `${id}@example.com`, email_verified: true };
};
const countOf = async (table: 'users' | 'auth_sessions' | 'oauth_flows' | 'user_identities') =>
  Number((await api.deps.db.pool.query(`SELECT count(*) FROM app.${table}`)).rows[0].count);
const peopleAndSessions = async () =>
  Promise.all([countOf('users'), countOf('auth_sessions'), countOf('user_identities')]);

/** The error, the one event with its reason, and nothing that came in repeated anywhere. */
async function expectRefused(answer: Answer, [status, code, reason]: readonly [number, string, string], path: string) {
  expect([answer.status, answer.body.code], answer.text).toEqual([status, code]);
  const { requestId } = answer.body;
  const events = api.logLines.filter((line) => line.requestId === requestId && line.event === 'oauth_callback_failed');
  expect(events).toEqual([expect.objectContaining({ level: 'warn', reasonCode: reason, path })]);
  expect(answer.headers['set-cookie']).toBeUndefined();
  expect(answer.text).not.toContain('canary');
  refusedCount += 1;
}

const GOOGLE_PATH = '/v1/auth/oauth/google/callback';
const AGAIN = 'BAD_REQUEST';
const FAILED = 'OAUTH_EXCHANGE_FAILED';

describe('a request that is not the end of what this browser began', () => {
  type Shape = [name: string, make: (begun: Begun, code: string) => { query: string; cookie?: string | undefined }];
  const good = ({ state }: Begun, code: string) => `state=${state}&code=${code}`;
  const shapes: [...Shape, reason: string][] = [
    ['no state', (begun, code) => ({ query: `code=${code}`, cookie: begun.cookie }), 'state_missing'],
    ['an empty state', (begun, code) => ({ query: `code=${code}&state=`, cookie: begun.cookie }), 'state_missing'],
    [
      'the state twice',
      (begun, code) => ({ query: `${good(begun, code)}&state=${begun.state}`, cookie: begun.cookie }),
      'parameter_repeated',
    ],
    [
      'a good state after a bad one',
      (begun, code) => ({ query: `state=x&${good(begun, code)}`, cookie: begun.cookie }),
      'parameter_repeated',
    ],
    [
      'the state as an array',
      (begun, code) => ({ query: `state[]=${begun.state}&code=${code}`, cookie: begun.cookie }),
      'state_missing',
    ],
    [
      'a state that is not ours in form',
      (begun, code) => ({ query: `state=canary&code=${code}`, cookie: begun.cookie }),
      'state_malformed',
    ],
    [
      'the state in other letters',
      (begun, code) => ({ query: `state=${begun.state.toUpperCase()}&code=${code}`, cookie: begun.cookie }),
      'state_unknown',
    ],
    [
      'a state with a character more',
      (begun, code) => ({ query: `state=${begun.state}x&code=${code}`, cookie: begun.cookie }),
      'state_malformed',
    ],
    [
      'a state that nobody issued',
      (begun, code) => ({ query: `state=${'A'.repeat(43)}&code=${code}`, cookie: begun.cookie }),
      'state_unknown',
    ],
    [
      'a state of 5000 characters',
      (begun, code) => ({ query: `state=${'A'.repeat(5000)}&code=${code}`, cookie: begun.cookie }),
      'parameter_too_long',
    ],
    [
      'a state with NUL in it',
      (begun, code) => ({ query: `state=%00${begun.state}&code=${code}`, cookie: begun.cookie }),
      'request_invalid',
    ],
    [
      'the code twice',
      (begun, code) => ({ query: `${good(begun, code)}&code=canary`, cookie: begun.cookie }),
      'parameter_repeated',
    ],
    ['no code', (begun) => ({ query: `state=${begun.state}`, cookie: begun.cookie }), 'code_missing'],
    ['an empty code', (begun) => ({ query: `state=${begun.state}&code=`, cookie: begun.cookie }), 'code_missing'],
    [
      'a code of 5000 characters',
      (begun) => ({ query: `state=${begun.state}&code=${'c'.repeat(5000)}`, cookie: begun.cookie }),
      'parameter_too_long',
    ],
    [
      'two issuers',
      (begun, code) => ({ query: `${good(begun, code)}&iss=${doer.issuer}&iss=canary`, cookie: begun.cookie }),
      'parameter_repeated',
    ],
    [
      'two errors',
      (begun) => ({ query: `state=${begun.state}&error=a&error=b`, cookie: begun.cookie }),
      'parameter_repeated',
    ],
    [
      'another mode',
      (begun, code) => ({ query: `${good(begun, code)}&mode=canary`, cookie: begun.cookie }),
      'mode_unknown',
    ],
    ['no cookie', (begun, code) => ({ query: good(begun, code) }), 'browser_unknown'],
    [
      "another browser's cookie",
      (begun, code) => ({ query: good(begun, code), cookie: `of=${'B'.repeat(43)}` }),
      'browser_mismatch',
    ],
    [
      'a cookie that is none of ours',
      (begun, code) => ({ query: good(begun, code), cookie: 'of=canary' }),
      'browser_unknown',
    ],
    [
      'the cookie under the name for https',
      (begun, code) => ({ query: good(begun, code), cookie: `__Host-${begun.cookie}` }),
      'browser_unknown',
    ],
    ['nothing at all', () => ({ query: '' }), 'state_missing'],
  ];

  it.each(shapes)('%s: 400, and nobody is asked or made', async (_name, make, reason) => {
    doer.person = somebody();
    const begun = await begin(api, 'google');
    const before = await peopleAndSessions();
    const asked = doer.hits.get('/token');
    const { query, cookie } = make(begun, doer.agree(begun.authorizationUrl));
    await expectRefused(await comeBack(api, 'google', query, { cookie }), [400, AGAIN, reason], GOOGLE_PATH);
    expect(doer.hits.get('/token')).toBe(asked);
    expect(await peopleAndSessions()).toEqual(before);
  });

  it('O1: a flow of the other provider: 400, and the flow goes on at its own', async () => {
    doer.person = somebody();
    const begun = await begin(api, 'google');
    const query = `${good(begun, doer.agree(begun.authorizationUrl))}&mode=json`;
    const path = GOOGLE_PATH.replace('google', 'github');
    const swapped = await comeBack(api, 'github', query, { cookie: begun.cookie });
    await expectRefused(swapped, [400, AGAIN, 'provider_mismatch'], path);
    expect((await comeBack(api, 'google', query, { cookie: begun.cookie })).status).toBe(200);
  });

  it('O1: an expired flow: 400, also in the second after its ten minutes', async () => {
    const begun = await begin(api, 'google');
    await expireFlows();
    const answer = await comeBack(api, 'google', good(begun, 'code'), { cookie: begun.cookie });
    await expectRefused(answer, [400, AGAIN, 'state_expired'], GOOGLE_PATH);
    await begin(api, 'google');
    const cleared = await comeBack(api, 'google', good(begun, 'code'), { cookie: begun.cookie });
    await expectRefused(cleared, [400, AGAIN, 'state_unknown'], GOOGLE_PATH);
  });

  it('O1: a callback that was answered already: 400, and the code was sent once', async () => {
    doer.person = somebody();
    const begun = await begin(api, 'google');
    const query = `${good(begun, doer.agree(begun.authorizationUrl))}&mode=json`;
    expect((await comeBack(api, 'google', query, { cookie: begun.cookie })).status).toBe(200);
    const asked = doer.hits.get('/token');
    const replayed = await comeBack(api, 'google', query, { cookie: begun.cookie });
    await expectRefused(replayed, [400, AGAIN, 'state_unknown'], GOOGLE_PATH);
    expect(doer.hits.get('/token')).toBe(asked);
  });

  it('a provider that nobody set up: 503 for start and callback', async () => {
    const bare = await openTestApi();
    try {
      const answer = await comeBack(bare, 'google', `state=${'A'.repeat(43)}&code=x`);
      expect([answer.status, answer.body.code]).toEqual([503, 'OAUTH_PROVIDER_NOT_CONFIGURED']);
      expect(reasonsOf(bare, answer.body.requestId)).toEqual(['provider_not_configured']);
      refusedCount += 1;
      const start = await bare.app.inject('/v1/auth/oauth/google/start');
      expect([start.statusCode, start.json().code]).toEqual([503, 'OAUTH_PROVIDER_NOT_CONFIGURED']);
    } finally {
      await bare.close();
    }
  });
});

/** As if the ten minutes of every flow were over. */
async function expireFlows(): Promise<void> {
  const { pool } = api.deps.db;
  const { rows } = await pool.query('DELETE FROM app.oauth_flows RETURNING *');
  for (const row of rows) {
    const columns = Object.keys(row);
    const values = columns.map((name) => (name === 'expires_at' ? new Date(Date.now() - 1_000) : row[name]));
    await pool.query(
      `INSERT INTO app.oauth_flows (${columns}) VALUES (${columns.map((_, index) => `$${index + 1}`)})`,
      values,
    );
  }
}

async function finish(deed: Deed, person: Person = somebody(), extra: Record<string, string> = {}): Promise<Answer> {
  doer.person = person;
  const begun = await begin(api, 'google');
  doer.deed = deed;
  const code = doer.agree(begun.authorizationUrl);
  return comeBack(api, 'google', { state: begun.state, code, mode: 'json', ...extra }, { cookie: begun.cookie });
}

describe('what the provider says in the browser', () => {
  it.each([
    ['access_denied', 'provider_denied'],
    ['server_error', 'provider_error'],
    ['canary', 'provider_error'],
  ])('error=%s: 401, and the flow is used up', async (error, reason) => {
    const begun = await begin(api, 'google');
    const query = { state: begun.state, error, error_description: 'canary', mode: 'json' };
    const answer = await comeBack(api, 'google', query, { cookie: begun.cookie });
    await expectRefused(answer, [401, FAILED, reason], GOOGLE_PATH);
    const again = await comeBack(api, 'google', { ...query, code: 'x' }, { cookie: begun.cookie });
    await expectRefused(again, [400, AGAIN, 'state_unknown'], GOOGLE_PATH);
  });

  it('another issuer in the answer (RFC 9207): 401 before the code is sent anywhere; the right one passes', async () => {
    const asked = doer.hits.get('/token') ?? 0;
    const answer = await finish({}, somebody(), { iss: 'https://canary.example' });
    await expectRefused(answer, [401, FAILED, 'issuer_mismatch'], GOOGLE_PATH);
    expect(doer.hits.get('/token') ?? 0).toBe(asked);
    expect((await finish({}, somebody(), { iss: doer.issuer })).status).toBe(200);
  });

  it('no issuer although the provider always sends it: 401', async () => {
    const strict = await startWrongDoer();
    strict.deed = { metadata: { authorization_response_iss_parameter_supported: true } };
    const other = await openTestApi({
      GOOGLE_CLIENT_ID: CLIENT.id,
      GOOGLE_CLIENT_SECRET: CLIENT.secret,
      OAUTH_GOOGLE_ISSUER: strict.issuer,
    });
    try {
      const begun = await begin(other, 'google');
      const code = strict.agree(begun.authorizationUrl);
      const query = { state: begun.state, code, mode: 'json' };
      const answer = await comeBack(other, 'google', query, { cookie: begun.cookie });
      expect([answer.status, reasonsOf(other, answer.body.requestId)]).toEqual([401, ['issuer_missing']]);
      refusedCount += 1;
    } finally {
      await other.close();
      await strict.close();
    }
  });
});

const send = (status: number, type: string, body: string, headers: object = {}) => {
  return (response: ServerResponse) => void response.writeHead(status, { 'content-type': type, ...headers }).end(body);
};
const JSON_TYPE = 'application/json';

const TOKEN_ANSWERS: [name: string, token: NonNullable<Deed['token']>, reason: string][] = [
  ['invalid_grant', send(400, JSON_TYPE, '{"error":"invalid_grant","error_description":"canary"}'), 'code_refused'],
  ['invalid_client', send(401, JSON_TYPE, '{"error":"invalid_client"}'), 'client_refused'],
  ['a challenge', send(401, JSON_TYPE, '{}', { 'www-authenticate': 'Basic realm="x"' }), 'client_refused'],
  ['an error with status 200', send(200, JSON_TYPE, '{"error":"bad_verification_code"}'), 'code_refused'],
  ['a redirect', send(302, 'text/plain', '', { location: 'http://127.0.0.1:1/canary' }), 'provider_answer_invalid'],
  [
    'a redirect that repeats the request',
    send(307, 'text/plain', '', { location: '/token' }),
    'provider_answer_invalid',
  ],
  ['status 500', send(500, 'text/html', '<h1>canary</h1>'), 'provider_answer_invalid'],
  ['status 204', (response) => void response.writeHead(204).end(), 'provider_answer_invalid'],
  ['a page', send(200, 'text/html', '<html>canary</html>'), 'provider_answer_invalid'],
  ['half a document', send(200, JSON_TYPE, '{"access_token":"canary'), 'provider_answer_invalid'],
  ['a list', send(200, JSON_TYPE, '[]'), 'provider_answer_invalid'],
  ['an empty document', send(200, JSON_TYPE, '{}'), 'provider_answer_invalid'],
  ['2 MiB', (response, honest) => sendJson(response, { ...honest, x: 'x'.repeat(2 ** 21) }), 'provider_answer_invalid'],
  ['a closed connection', (response) => void response.destroy(), 'provider_unreachable'],
  [
    'a connection that breaks in the middle',
    (response) => {
      response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': 500 });
      response.write('{"access_token":"canary', () => response.destroy());
    },
    'provider_unreachable',
  ],
  ['no id_token', (response, { id_token: _, ...honest }) => sendJson(response, honest), 'id_token_missing'],
  [
    'an id_token that is a number',
    (response, honest) => sendJson(response, { ...honest, id_token: 1 }),
    'provider_answer_invalid',
  ],
  [
    'no access token',
    (response, { access_token: _, ...honest }) => sendJson(response, honest),
    'provider_answer_invalid',
  ],
];

describe('what the token endpoint answers', () => {
  it.each(TOKEN_ANSWERS)('%s: 401, and nobody is made', async (_name, token, reason) => {
    const before = await peopleAndSessions();
    const asked = doer.hits.get('/token') ?? 0;
    await expectRefused(await finish({ token }), [401, FAILED, reason], GOOGLE_PATH);
    expect(doer.hits.get('/token')).toBe(asked + 1); // O5: a code is exchanged once, whatever comes back
    expect(await peopleAndSessions()).toEqual(before);
  });

  it('O5: nothing, or a byte now and then, for longer than five seconds: 401, both measured', async () => {
    const slowly = (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': JSON_TYPE });
      const drip = setInterval(() => response.write(' '), 200);
      response.once('close', () => clearInterval(drip));
    };
    const begun = await Promise.all([begin(api, 'google'), begin(api, 'google')]);
    const deeds = [() => undefined, slowly];
    doer.deed = { token: (response) => deeds.shift()?.(response) };
    const started = Date.now();
    const answers = await Promise.all(
      begun.map(({ state, cookie, authorizationUrl }) =>
        comeBack(api, 'google', { state, code: doer.agree(authorizationUrl), mode: 'json' }, { cookie }),
      ),
    );
    expect(Date.now() - started).toBeGreaterThan(4_900);
    expect(Date.now() - started).toBeLessThan(9_000);
    for (const answer of answers) await expectRefused(answer, [401, FAILED, 'provider_timeout'], GOOGLE_PATH);
  });
});

const now = () => Math.floor(Date.now() / 1000);
const flip = (text: string) =>
  `${text.slice(0, -8)}${text.slice(-8).replace(/[a-y]|[A-Y]|\d/, (char) => (char === 'b' ? 'c' : 'b'))}`;
const change = (part: object): Deed => ({ claims: (claims) => ({ ...claims, ...part }) });
const changed = (of: (claims: Record<string, unknown>) => object): Deed => ({
  claims: (claims) => ({ ...claims, ...of(claims) }),
});

const ID_TOKENS: [name: string, deed: () => Deed, reason: string, code?: string][] = [
  ['no token at all', () => ({ idToken: () => 'canary' }), 'id_token_malformed'],
  [
    'a token of two parts',
    () => ({ idToken: (_, honest) => honest.split('.').slice(0, 2).join('.') }),
    'id_token_malformed',
  ],
  ['an encrypted token', () => ({ idToken: () => 'a.b.c.d.e' }), 'id_token_algorithm'],
  [
    'a header that is no JSON',
    () => ({ idToken: (_, honest) => `e30x.${honest.split('.')[1]}.x` }),
    'id_token_malformed',
  ],
  ['a changed signature', () => ({ idToken: (_, honest) => flip(honest) }), 'id_token_signature'],
  ['no signature', () => ({ idToken: (_, honest) => honest.replace(/[^.]+$/, '') }), 'id_token_signature'],
  [
    'the signature of another token',
    () => ({
      idToken: (claims, honest) => {
        const [header, , signature] = honest.split('.');
        return `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: 'victim' })).toString('base64url')}.${signature}`;
      },
    }),
    'id_token_signature',
  ],
  [
    'another key under the same name',
    () => ({ idToken: (claims) => signWith(foreignKey, claims) }),
    'id_token_signature',
  ],
  ['another key', () => ({ idToken: (claims) => signWith(foreignKey, claims, { kid: 'x' }) }), 'id_token_key_unknown'],
  [
    'a key of its own',
    () => ({
      idToken: (claims) => signWith(foreignKey, claims, { jwk: makeKeys().publicKey.export({ format: 'jwk' }) }),
    }),
    'id_token_signature',
  ],
  ['alg none', () => ({ idToken: (claims) => joinToken({ alg: 'none' }, claims, () => '') }), 'id_token_algorithm'],
  ['alg None', () => ({ idToken: (claims) => joinToken({ alg: 'None' }, claims, () => '') }), 'id_token_algorithm'],
  [
    'HS256 with the public key',
    () => ({ idToken: (claims) => joinToken({ alg: 'HS256' }, claims, (input) => hmac(doer.publicKeyText, input)) }),
    'id_token_algorithm',
  ],
  [
    "HS256 with the client's secret",
    () => ({ idToken: (claims) => joinToken({ alg: 'HS256' }, claims, (input) => hmac(CLIENT.secret, input)) }),
    'id_token_algorithm',
  ],
  [
    'a critical header',
    () => ({ idToken: (claims) => signWith(foreignKey, claims, { crit: ['x'], x: 1 }) }),
    'id_token_algorithm',
  ],
  ['another issuer', () => change({ iss: 'https://accounts.google.com' }), 'id_token_issuer'],
  ['the issuer with a slash more', () => changed(({ iss }) => ({ iss: `${iss}/` })), 'id_token_issuer'],
  ['no issuer', () => change({ iss: undefined }), 'id_token_claim'],
  ['another audience', () => change({ aud: 'another-client' }), 'id_token_audience'],
  ['audiences without us', () => change({ aud: ['another-client'] }), 'id_token_audience'],
  ['audiences beside us', () => change({ aud: [CLIENT.id, 'another-client'] }), 'id_token_audience'],
  [
    'audiences with another authorized party',
    () => change({ aud: [CLIENT.id, 'another-client'], azp: 'another-client' }),
    'id_token_authorized_party',
  ],
  ['another authorized party', () => change({ azp: 'another-client' }), 'id_token_authorized_party'],
  ['no audience', () => change({ aud: undefined }), 'id_token_claim'],
  ['a token that expired', () => change({ exp: now() - 60 }), 'id_token_time'],
  ['an expiry as text', () => change({ exp: String(now() + 60) }), 'id_token_claim'],
  ['no expiry', () => change({ exp: undefined }), 'id_token_claim'],
  ['a token that was made long ago', () => change({ iat: now() - 3_600 }), 'id_token_time'],
  ['a token of the future', () => change({ iat: now() + 3_600 }), 'id_token_time'],
  ['a token that is not valid yet', () => change({ nbf: now() + 3_600 }), 'id_token_time'],
  ['no time of issue', () => change({ iat: undefined }), 'id_token_claim'],
  ['a time of issue as text', () => change({ iat: 'now' }), 'id_token_claim'],
  ['no subject', () => change({ sub: undefined }), 'id_token_claim'],
  ['a subject that is a number', () => change({ sub: 1 }), 'id_token_claim'],
  ['an empty subject', () => change({ sub: '' }), 'subject_invalid'],
  ['a subject of 300 characters', () => change({ sub: 's'.repeat(300) }), 'subject_invalid'],
  ['a subject with NUL in it', () => change({ sub: 'a\u0000b' }), 'subject_invalid'],
  ['no nonce', () => change({ nonce: undefined }), 'nonce_missing', 'OAUTH_INVALID_NONCE'],
  ['the nonce of another sign-in', () => change({ nonce: 'x'.repeat(43) }), 'nonce_mismatch', 'OAUTH_INVALID_NONCE'],
  ['the nonce in a list', () => changed(({ nonce }) => ({ nonce: [nonce] })), 'nonce_mismatch', 'OAUTH_INVALID_NONCE'],
  ['no address', () => change({ email: undefined }), 'email_missing', 'OAUTH_EMAIL_REQUIRED'],
  ['an address that is none', () => change({ email: 'nobody' }), 'email_missing', 'OAUTH_EMAIL_REQUIRED'],
  ['an address in a list', () => change({ email: ['a@example.com'] }), 'email_missing', 'OAUTH_EMAIL_REQUIRED'],
  ['an unverified address', () => change({ email_verified: false }), 'email_unverified', 'OAUTH_EMAIL_REQUIRED'],
  [
    'an address verified in words',
    () => change({ email_verified: 'true' }),
    'email_unverified',
    'OAUTH_EMAIL_REQUIRED',
  ],
  ['an address verified once', () => change({ email_verified: 1 }), 'email_unverified', 'OAUTH_EMAIL_REQUIRED'],
  [
    'nothing about the address',
    () => change({ email_verified: undefined }),
    'email_unverified',
    'OAUTH_EMAIL_REQUIRED',
  ],
];

describe('O2: what the id_token says', () => {
  it('lets an honest one in, so that every other is refused for its one fault', async () => {
    const { status, body } = await finish({});
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(['session', 'user', 'provider']);
  });

  it.each(ID_TOKENS)('%s: refused, and nobody is made', async (_name, deed, reason, code = FAILED) => {
    const before = await peopleAndSessions();
    const status = code === 'OAUTH_EMAIL_REQUIRED' ? 400 : 401;
    await expectRefused(await finish(deed()), [status, code, reason], GOOGLE_PATH);
    expect(await peopleAndSessions()).toEqual(before);
  });

  it('a provider without its keys: 401, and with them again the next sign-in passes', async () => {
    // A refused signature makes the next sign-in ask for the keys anew.
    await finish({ idToken: (claims) => signWith(foreignKey, claims) });
    const answer = await finish({ jwks: send(500, JSON_TYPE, '{}') });
    await expectRefused(answer, [401, FAILED, 'provider_answer_invalid'], GOOGLE_PATH);
    expect((await finish({})).status).toBe(200);
  });
});

describe('O2: GitHub, which has no id_token', () => {
  const path = GOOGLE_PATH.replace('google', 'github');
  const verified = (email: string) => [{ email, primary: true, verified: true, visibility: null }];
  const person = () => {
    github.user = { id: Math.floor(Math.random() * 2 ** 40) + 1, login: 'octo', name: null };
    github.emails = verified(`${newId()}@example.com`);
  };
  const finishAtGithub = async () => {
    const begun = await begin(api, 'github');
    const code = github.agree(begun.authorizationUrl);
    return comeBack(api, 'github', { state: begun.state, code, mode: 'json' }, { cookie: begun.cookie });
  };

  it('asks for its scopes with PKCE, sends the code once, and finds the REST API at the root as well', async () => {
    for (const apiPath of ['/api/v3', ''] as const) {
      person();
      github.apiPath = apiPath;
      github.hits = [];
      const begun = await begin(api, 'github');
      const url = new URL(begun.authorizationUrl);
      expect(`${url.origin}${url.pathname}`).toBe(`${github.baseUrl}/login/oauth/authorize`);
      expect(Object.fromEntries(url.searchParams)).toEqual({
        client_id: GITHUB_CLIENT.id,
        response_type: 'code',
        redirect_uri: 'http://localhost:3000/v1/auth/oauth/github/callback',
        scope: 'read:user user:email',
        state: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge_method: 'S256',
      });
      const code = github.agree(begun.authorizationUrl);
      const query = { state: begun.state, code, mode: 'json' };
      const { status, body } = await comeBack(api, 'github', query, { cookie: begun.cookie });
      expect([status, body.provider, body.user.displayName]).toEqual([200, 'github', 'octo']);
      expect(github.hits.filter((hit) => hit === '/login/oauth/access_token')).toHaveLength(1);
    }
    github.apiPath = '/api/v3';
  });

  const deed = (at: string, answer: (response: ServerResponse) => void) => () => void github.deeds.set(at, answer);
  const isUser = (user: unknown) => () => {
    github.user = user;
  };
  const hasEmails = (emails: unknown) => () => {
    github.emails = emails;
  };
  const TOKEN = '/login/oauth/access_token';
  const json = (status: number, body: unknown) => (response: ServerResponse) => sendJson(response, body, status);
  const shapes: [name: string, prepare: () => void, reason: string, code?: string][] = [
    [
      'a code that it refuses with status 200',
      deed(TOKEN, json(200, { error: 'bad_verification_code' })),
      'code_refused',
    ],
    ['a client that it refuses', deed(TOKEN, json(200, { error: 'incorrect_client_credentials' })), 'client_refused'],
    ['a token in a form', deed(TOKEN, send(200, 'text/plain', 'access_token=canary')), 'provider_answer_invalid'],
    ['a redirect', deed(TOKEN, send(302, 'text/plain', '', { location: '/x' })), 'provider_answer_invalid'],
    ['no user', deed('/api/v3/user', json(401, {})), 'provider_answer_invalid'],
    [
      'a user behind a redirect',
      deed('/api/v3/user', send(301, JSON_TYPE, '', { location: '/user' })),
      'provider_answer_invalid',
    ],
    ['a user that is no JSON', deed('/api/v3/user', send(200, JSON_TYPE, 'canary')), 'provider_answer_invalid'],
    ['a closed connection', deed('/api/v3/user', (response) => void response.destroy()), 'provider_unreachable'],
    ['an id as text', isUser({ id: '1', login: 'x' }), 'subject_invalid'],
    ['no id', isUser({ login: 'x' }), 'subject_invalid'],
    ['an id of zero', isUser({ id: 0 }), 'subject_invalid'],
    ['an id with a fraction', isUser({ id: 1.5 }), 'subject_invalid'],
    ['a list of users', isUser([{ id: 1 }]), 'subject_invalid'],
    ['no addresses', deed('/api/v3/user/emails', json(500, {})), 'provider_answer_invalid'],
    ['addresses that are none', deed('/api/v3/user/emails', json(200, { email: 'x' })), 'provider_answer_invalid'],
    [
      'addresses it keeps to itself',
      deed('/api/v3/user/emails', json(404, {})),
      'email_missing',
      'OAUTH_EMAIL_REQUIRED',
    ],
    ['an empty list of addresses', hasEmails([]), 'email_missing', 'OAUTH_EMAIL_REQUIRED'],
    [
      'a verified address that is not the primary one',
      hasEmails([{ email: 'a@example.com', primary: false, verified: true }]),
      'email_missing',
      'OAUTH_EMAIL_REQUIRED',
    ],
    [
      'a primary address that is not verified',
      hasEmails([
        { email: 'a@example.com', primary: true, verified: false },
        { email: 'b@example.com', primary: false, verified: true },
      ]),
      'email_unverified',
      'OAUTH_EMAIL_REQUIRED',
    ],
  ];

  it.each(shapes)('%s: refused, and nobody is made', async (_name, prepare, reason, code = FAILED) => {
    person();
    const before = await peopleAndSessions();
    prepare();
    const status = code === 'OAUTH_EMAIL_REQUIRED' ? 400 : 401;
    await expectRefused(await finishAtGithub(), [status, code, reason], path);
    expect(await peopleAndSessions()).toEqual(before);
  });
});

describe('a start', () => {
  let deaf: Server;
  beforeAll(async () => {
    deaf = createServer((_request, response) => void response.writeHead(200).end('canary'));
  });
  afterAll(() => close(deaf));

  it.each(['garbage', 'nothing'])('at a provider that answers %s to discovery: 401 with its reason', async (kind) => {
    const issuer = kind === 'garbage' ? await listen(deaf) : 'http://127.0.0.1:1';
    const other = await openTestApi({
      GOOGLE_CLIENT_ID: 'id',
      GOOGLE_CLIENT_SECRET: 'secret',
      OAUTH_GOOGLE_ISSUER: issuer,
    });
    try {
      const answer = await other.app.inject('/v1/auth/oauth/google/start');
      expect([answer.statusCode, answer.json().code]).toEqual([401, FAILED]);
      const reason = kind === 'garbage' ? 'discovery_invalid' : 'provider_unreachable';
      expect(reasonsOf(other, answer.json().requestId)).toEqual([reason]);
    } finally {
      await other.close();
    }
  });

  it('leaves a bounded number of flows for one browser, whichever provider, and frees them with time', async () => {
    const { cookie } = await begin(api, 'google');
    for (let open = 1; open < MAX_OPEN_FLOWS_PER_BROWSER; open += 1)
      expect((await begin(api, open % 2 ? 'github' : 'google', { cookie })).cookie).toBe(cookie);
    const before = await countOf('oauth_flows');
    const refused = await api.app.inject({ url: '/v1/auth/oauth/google/start?mode=json', headers: { cookie } });
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'RATE_LIMITED']);
    expect(refused.headers['retry-after']).toBe('60');
    expect(await countOf('oauth_flows')).toBe(before);
    await begin(api, 'google'); // another browser
    await expireFlows();
    await begin(api, 'google', { cookie });
    expect(await countOf('oauth_flows')).toBe(1);
  });
});

it('O5: no code, state, nonce, verifier, token or secret stands in any line of the log', async () => {
  await finish({});
  const log = JSON.stringify(api.logLines);
  const secrets = [...doer.secrets, ...github.secrets, CLIENT.secret, GITHUB_CLIENT.secret].filter(
    (secret) => secret.length > 4,
  );
  expect(secrets.length).toBeGreaterThan(200);
  expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
  expect(log).not.toContain('canary');
  expect(log).toContain('oauth_callback_failed');
});

it('refuses at least 40 shapes of a callback, each with its reason', () => {
  expect(refusedCount).toBeGreaterThan(100);
  reportFigure('OAuth callback shapes', `${refusedCount} refused, each with its reason`);
});
