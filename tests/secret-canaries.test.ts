import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLIENT, startWrongDoer, type WrongDoer } from '../apps/api/src/features/oauth/testing-oidc.ts';
import { readMailbox } from '../packages/mail/src/testing.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { preparePlatform, type TestPlatform } from './platform.ts';
import { openRecorder, type Recorder } from './secrets/recorder.ts';
import { type Canary, findCanaries, type Place, readDatabase, readRedis, watchRedis } from './secrets/search.ts';

/**
 * T10, R6: every secret that goes into the platform or comes out of it, by name. After a life in full, with failures, none
 * of them may be anywhere but in the one answer that is meant to hold it.
 */
const canaries: Canary[] = [];
const places: Place[] = [];

let platform: TestPlatform;
let api: Awaited<ReturnType<TestPlatform['startApi']>>;
let worker: Awaited<ReturnType<TestPlatform['startWorker']>>;
let admin: pg.Client;
let http: Recorder;
let redisCommands: Awaited<ReturnType<typeof watchRedis>>;
let echo: Server;
let provider: WrongDoer;
/** The Authorization headers that reached the echo server. */
const received: string[] = [];

const make = (name: string) => plant(name, `canary-${randomBytes(24).toString('base64url')}`);

/** Adds a secret to the list; answers its value. */
function plant(name: string, value: string): string {
  if (value.length < 8) throw new Error(`${name} is too short to be looked for`);
  canaries.push({ name, value });
  return value;
}

/** A secret that the last answer was meant to yield. */
function take(name: string, value: string): string {
  http.yields(name, value);
  return plant(name, value);
}

beforeAll(async () => {
  echo = createServer((request, response) => {
    if (request.headers.authorization) received.push(request.headers.authorization);
    // A server that fails and says aloud what it was sent.
    const isBad = request.url !== '/ok';
    response.writeHead(isBad ? 500 : 200, { 'content-type': 'application/json' });
    response.end(isBad ? JSON.stringify(request.headers) : '{"ok":true}');
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  provider = await startWrongDoer();
  platform = await preparePlatform();
  await protectRedis();
  plantSettings();
  [api, worker] = await Promise.all([platform.startApi(), platform.startWorker()]);
  http = openRecorder(api.url);
  admin = new pg.Client({ connectionString: platform.database.adminUrl });
  await admin.connect();
}, 60_000);

afterAll(async () => {
  redisCommands?.stop();
  echo?.close();
  await provider?.close();
  await admin?.end();
  await platform?.stop();
});

const echoUrl = () => `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;

/** The server keeps the password for as long as it runs; clients from here on need it. */
async function protectRedis(): Promise<void> {
  const { port, url } = platform.redis;
  const password = make('password of Redis');
  const redis = new Redis(url);
  await redis.config('SET', 'requirepass', password);
  redis.disconnect();
  platform.env.REDIS_URL = `redis://:${password}@127.0.0.1:${port}`;
  redisCommands = await watchRedis(platform.env.REDIS_URL);
}

function plantSettings(): void {
  const { env } = platform;
  const [key] = JSON.parse(env.AUTH_SIGNING_KEYS ?? '').keys;
  plant('private part of the signing key', key.d);
  env.AUTH_TOKEN_SECRET = make('AUTH_TOKEN_SECRET');
  plant('password of app_api', new URL(env.API_DATABASE_URL ?? '').password);
  plant('password of app_worker', new URL(env.WORKER_DATABASE_URL ?? '').password);
  env.GOOGLE_CLIENT_ID = CLIENT.id;
  env.GOOGLE_CLIENT_SECRET = plant('GOOGLE_CLIENT_SECRET', CLIENT.secret);
  env.OAUTH_GOOGLE_ISSUER = provider.issuer;
  env.GITHUB_CLIENT_ID = 'github-client';
  env.GITHUB_CLIENT_SECRET = make('GITHUB_CLIENT_SECRET');
  env.EGRESS_ALLOW_CIDRS = `127.0.0.1/32:${new URL(echoUrl()).port}`;
}

interface Person {
  email: string;
  password: string;
  token: string;
  cookie: string;
}

async function signUp(name: string): Promise<Person> {
  const [email, password] = [`${name}@example.com`, make(`password of ${name}`)];
  const { body, cookie } = await http.send('POST', '/v1/auth/signup', { body: { email, password }, status: 201 });
  return { email, password, ...takeSession(name, body, cookie) };
}

/** An access token as a whole and its signature, the refresh cookie as a whole and its secret half. */
function takeSession(name: string, body: { session?: { token: string } }, cookie: string) {
  const token = take(`access token of ${name}`, body.session?.token ?? '');
  take(`signature of the access token of ${name}`, token.split('.').at(-1) ?? '');
  const value = take(`refresh cookie of ${name}`, cookie.split('=').slice(1).join('='));
  take(`secret of the refresh cookie of ${name}`, value.split('.').at(-1) ?? '');
  return { token, cookie };
}

it('lives through sign-in in all its ways, right and wrong', async () => {
  const ada = await signUp('ada');
  const { email } = ada;
  const wrong = make('a wrong password');
  await http.send('POST', '/v1/auth/login', { body: { email, password: wrong }, status: 401 });
  await http.send('POST', '/v1/auth/login', { body: { email, password: wrong, extra: wrong }, status: 400 });
  await http.send('POST', '/v1/auth/login', { body: `{"password":"${wrong}"`, status: 400 });
  await http.send('POST', '/v1/auth/signup', { body: { email, password: make('a second sign-up') }, status: 409 });
  const long = `${make('a password that is too long')}${'x'.repeat(300)}`;
  await http.send('POST', '/v1/auth/signup', { body: { email: 'x@example.com', password: long }, status: 400 });
  const { body, cookie } = await http.send('POST', '/v1/auth/login', {
    body: { email, password: ada.password },
    status: 200,
  });
  const second = takeSession('ada, again', body, cookie);
  const refreshed = await http.send('POST', '/v1/auth/refresh', { cookie: second.cookie, status: 200 });
  const third = takeSession('ada, refreshed', refreshed.body, refreshed.cookie);
  await http.send('GET', '/v1/me', { token: third.token, status: 200 });
  await http.send('GET', '/v1/me/sessions', { token: third.token, status: 200 });
  await http.send('GET', `/v1/me?access_token=${third.token}`, { token: third.token, status: 400 });
  await http.send('GET', `/v1/${third.token}`, { token: third.token, status: 404 });
  await http.send('GET', '/v1/me', { token: `${third.token}x`, status: 401 });
  await http.send('POST', '/v1/auth/refresh', { cookie: `${third.cookie}x`, status: 401 });
});

it('lives through an invitation that the wrong person, a stranger and the right one try', async () => {
  const [owner, guest, stranger] = [await signUp('owner'), await signUp('guest'), await signUp('stranger')];
  const org = await http.send('POST', '/v1/orgs', {
    token: owner.token,
    body: { name: 'Canaries', slug: `canaries-${randomBytes(4).toString('hex')}` },
    status: 201,
  });
  const orgId = org.body.organization?.id ?? '';
  const path = `/v1/orgs/${orgId}/invitations`;
  const { body } = await http.send('POST', path, {
    token: owner.token,
    orgId,
    body: { email: guest.email, roleKey: 'admin' },
    status: 201,
  });
  const invitation = take('invitation token', body.invitation?.token ?? '');
  await http.send('GET', path, { token: owner.token, orgId, status: 200 });
  await http.send('POST', `/v1/invitations/${invitation}/accept`, { token: stranger.token, status: 403 });
  await http.send('POST', `/v1/invitations/${invitation}/accept`, { status: 401 });
  await http.send('POST', `/v1/invitations/${invitation}/nowhere`, { token: guest.token, status: 404 });
  await http.send('POST', `/v1/invitations/${make('an unknown invitation token')}/accept`, {
    token: guest.token,
    status: 404,
  });
  await http.send('POST', `/v1/invitations/${invitation}/accept`, { token: guest.token, status: 200 });
  await http.send('POST', `/v1/invitations/${invitation}/accept`, { token: guest.token, status: 400 });
});

it('lives through mailed links that are asked for, used, used again and made up', async () => {
  const forgetful = await signUp('forgetful');
  const { email, token } = forgetful;
  const verify = await mailedToken(email, 'verify-email', 'verification link');
  await http.send('POST', '/v1/auth/email/verify', { body: { token: verify }, status: 401 });
  await http.send('POST', '/v1/auth/email/verify', { token, body: { token: verify }, status: 200 });
  await http.send('POST', '/v1/auth/email/verify', { token, body: { token: verify }, status: 400 });
  await http.send('POST', '/v1/auth/email/verify', {
    token,
    body: { token: plant('made-up verification link', randomBytes(32).toString('base64url')) },
    status: 400,
  });
  await http.send('POST', '/v1/auth/password/forgot', { body: { email }, status: 200 });
  const reset = await mailedToken(email, 'reset-password', 'reset link');
  await http.send('POST', '/v1/auth/password/reset', {
    body: { token: reset, password: make('password that is set anew') },
    status: 200,
  });
  await http.send('POST', '/v1/auth/password/reset', {
    body: { token: reset, password: make('password that comes too late') },
    status: 400,
  });
  const changer = await signUp('changer');
  const body = { currentPassword: make('wrong current password'), newPassword: make('password of a failed change') };
  await http.send('POST', '/v1/me/password', { token: changer.token, body, status: 400 });
  await http.send('POST', '/v1/me/password', {
    token: changer.token,
    body: { currentPassword: changer.password, newPassword: make('password after a change') },
    status: 200,
  });
});

/** The token of the newest mail of this kind: the mail is what is meant to hold it. */
async function mailedToken(to: string, path: string, name: string): Promise<string> {
  const link = new RegExp(`/${path}#token=([\\w.-]+)`);
  let token: string | undefined;
  await eventually(
    `a mail with a ${path} link to ${to}`,
    async () => {
      const mails = await readMailbox(join(platform.env.MILLRACE_DATA_DIR ?? '', 'mailbox'));
      token = mails.findLast((mail) => mail.to.includes(to) && link.test(mail.text))?.text.match(link)?.[1];
      return token !== undefined;
    },
    30_000,
  );
  return plant(name, token ?? '');
}

it('lives through an API key and the secret of a webhook, shown once each', async () => {
  const { token } = await signUp('keeper');
  const org = await http.send('POST', '/v1/orgs', {
    token,
    body: { name: 'Keys', slug: `keys-${randomBytes(4).toString('hex')}` },
    status: 201,
  });
  const orgId = org.body.organization?.id ?? '';
  const base = { token, orgId };
  const path = `/v1/orgs/${orgId}/api-keys`;
  const made = await http.send('POST', path, {
    ...base,
    body: { name: 'Canary', permissions: ['workflow:read'] },
    status: 201,
  });
  const key = take('API key', made.body.apiKey?.key ?? '');
  await http.send('GET', path, { ...base, status: 200 });
  await http.send('GET', `/v1/orgs/${orgId}/workflows`, { token: key, orgId, status: 200 });
  await http.send('GET', path, { token: key, orgId, status: 403 });
  await http.send('GET', '/v1/me/sessions', { token: key, status: 403 });
  await http.send('DELETE', `${path}/${made.body.apiKey?.id}`, { ...base, status: 200 });
  await http.send('GET', `/v1/orgs/${orgId}/workflows`, { token: key, orgId, status: 401 });

  const notices = `/v1/orgs/${orgId}/failure-notices`;
  const urlSecret = make('webhook URL');
  const chosen = await http.send('PUT', notices, {
    ...base,
    body: { channel: 'webhook', url: `${echoUrl()}/bad?token=${urlSecret}` },
    status: 200,
  });
  take('webhook secret', chosen.body.secret ?? '');
  const rotated = await http.send('POST', `${notices}/secret`, { ...base, status: 200 });
  take('webhook secret, rotated', rotated.body.secret ?? '');
  await http.send('GET', notices, { ...base, status: 200 });
  await http.send('POST', `${notices}/test`, { ...base, status: 200 });
  await http.send('GET', `/v1/orgs/${orgId}/audit`, { ...base, status: 200 });
});

it('lives through a sign-in with a provider, right and with a wrong state', async () => {
  provider.person = { sub: 'canary', email: 'sso@example.com', email_verified: true };
  // Stored as it is and part of the address: it ties an answer to a flow and opens nothing by itself.
  const nonces: (string | null)[] = [];
  const begin = async (name: string) => {
    const { body, cookie } = await http.send('GET', '/v1/auth/oauth/google/start?mode=json', { status: 200 });
    const url = body.authorizationUrl ?? '';
    const state = take(`OAuth state of ${name}`, new URL(url).searchParams.get('state') ?? '');
    nonces.push(new URL(url).searchParams.get('nonce'));
    take(`flow cookie of ${name}`, cookie.split('=').slice(1).join('='));
    http.yields('the address as a whole', url);
    return { state, cookie, code: plant(`OAuth code of ${name}`, provider.agree(url)) };
  };
  const callback = (query: Record<string, string>, cookie: string, status: number) =>
    http.send('GET', `/v1/auth/oauth/google/callback?mode=json&${new URLSearchParams(query)}`, { cookie, status });
  const right = await begin('the right sign-in');
  const { body, cookie } = await callback({ code: right.code, state: right.state }, right.cookie, 200);
  takeSession('sso', body, cookie);
  await callback({ code: right.code, state: right.state }, right.cookie, 400);
  const stolen = await begin('a stolen sign-in');
  await callback({ code: stolen.code, state: stolen.state }, 'of=other', 400);
  const unknown = await begin('a sign-in with an unknown code');
  await callback({ code: make('unknown OAuth code'), state: unknown.state }, unknown.cookie, 401);
  for (const [index, secret] of provider.secrets.entries())
    if (secret.length >= 8 && !nonces.includes(secret))
      plant(`secret ${index} between the API and the provider`, secret);
});

it('lives through runs and step tests that carry a credential, and a server that repeats it', async () => {
  const maker = await signUp('maker');
  const org = await http.send('POST', '/v1/orgs', {
    token: maker.token,
    body: { name: 'Steps', slug: `steps-${randomBytes(4).toString('hex')}` },
    status: 201,
  });
  const orgId = org.body.organization?.id ?? '';
  const secret = make('Authorization header of a step');
  // The document holds two halves; only the evaluated input holds the whole.
  const authorization = `{% "Bearer ${secret.slice(0, 12)}" & "${secret.slice(12)}" %}`;
  const call = (id: string, path: string) => ({
    id,
    type: 'http.request',
    config: { method: 'GET', url: `${echoUrl()}${path}`, headers: { authorization } },
    retry: { maxAttempts: 2, backoffMs: 10 },
    ...(path !== '/ok' && { onError: 'continue' }),
  });
  const dsl = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [call('good', '/ok'), call('bad', '/bad')],
  };
  const base = { token: maker.token, orgId };
  const created = await http.send('POST', `/v1/orgs/${orgId}/workflows`, {
    ...base,
    body: { name: 'Calls', dsl },
    status: 201,
  });
  const path = `/v1/orgs/${orgId}/workflows/${created.body.workflow?.id}`;
  await http.send('POST', `${path}/publish`, { ...base, status: 200 });
  const started = await http.send('POST', `${path}/runs`, { ...base, body: {}, status: 201 });
  const runPath = `${path}/runs/${started.body.run?.id}`;
  await eventually(
    'the run to end',
    async () => {
      const { body } = await http.send('GET', runPath, { ...base, status: 200 });
      return body.run?.finishedAt !== null;
    },
    60_000,
  );
  await http.send('POST', `${path}/test-step`, { ...base, body: { dsl, stepId: 'good', sample: {} }, status: 200 });
  await http.send('POST', `${path}/test-step`, { ...base, body: { dsl, stepId: 'bad', sample: {} }, status: 200 });
  await http.send('GET', `/v1/orgs/${orgId}/runs`, { ...base, status: 200 });
  expect(received.length).toBeGreaterThanOrEqual(5);
  expect(new Set(received)).toEqual(new Set([`Bearer ${secret}`]));

  platform.redis.freeze();
  await http.send('POST', `${path}/runs`, { ...base, body: {}, status: 503 });
  platform.redis.thaw();
}, 90_000);

it('lives through webhooks: their address, their secret, proofs of senders right and wrong, and a failure', async () => {
  const { token } = await signUp('receiver');
  const slug = `hooks-${randomBytes(4).toString('hex')}`;
  const org = await http.send('POST', '/v1/orgs', { token, body: { name: 'Hooks', slug }, status: 201 });
  const base = { token, orgId: org.body.organization?.id ?? '' };
  for (const scheme of ['github', 'basic']) {
    const dsl = {
      version: 'v2',
      trigger: { type: 'trigger.webhook', config: { signature: { scheme } } },
      nodes: [{ id: 'echo', type: 'transform', config: { value: '{% $trigger.input %}' } }],
    };
    const path = `/v1/orgs/${base.orgId}/workflows`;
    const created = await http.send('POST', path, { ...base, body: { name: scheme, dsl }, status: 201 });
    const workflow = `${path}/${created.body.workflow?.id}`;
    const secret = make(`signing secret of ${scheme}`);
    await http.send('PUT', `${workflow}/hook-secret`, { ...base, body: { secret }, status: 200 });
    await http.send('PUT', `${workflow}/hook-secret`, { ...base, body: { secret, extra: secret }, status: 400 });
    await http.send('POST', `${workflow}/publish`, { ...base, status: 200 });
    const before = await http.send('POST', `${workflow}/hook/rotate`, { ...base, status: 200 });
    take(`replaced hook token of ${scheme}`, tokenOf(before.body.workflow));
    const rotated = await http.send('POST', `${workflow}/hook/rotate`, { ...base, status: 200 });
    const address = `/v1/hooks/${take(`hook token of ${scheme}`, tokenOf(rotated.body.workflow))}`;
    await callHook(scheme, address, secret);
    await http.send('POST', `/v1/hooks/${tokenOf(before.body.workflow)}`, { body: {}, status: 404 });
    await http.send('PATCH', address, { body: {}, status: 405 });
    await http.send('GET', `${workflow}/runs`, { ...base, status: 200 });
    await http.send('DELETE', `${workflow}/hook-secret`, { ...base, status: 200 });
    await http.send('GET', `/v1/orgs/${base.orgId}/audit`, { ...base, status: 200 });
  }
});

function tokenOf(workflow: { hookUrl: string | null } | undefined): string {
  return workflow?.hookUrl?.split('/').at(-1) ?? '';
}

async function callHook(scheme: string, address: string, secret: string): Promise<void> {
  const body = `{"sent":"${randomBytes(8).toString('hex')}"}`;
  const hex = createHmac('sha256', secret).update(body).digest('hex');
  const basic = Buffer.from(secret).toString('base64');
  const proof: Record<string, string> =
    scheme === 'github'
      ? { 'x-hub-signature-256': `sha256=${plant('signature of a delivery', hex)}` }
      : { authorization: `Basic ${plant('credentials of a delivery', basic)}` };
  const others = { cookie: `s=${make('cookie of a sender')}`, 'x-auth-token': make('token of a sender') };
  const headers = { 'content-type': 'application/json', ...others, ...proof };
  await http.send('POST', address, { body, headers, status: 202 });
  await http.send('POST', address, { body, headers: { ...headers, ...wrongProof() }, status: 401 });
  await http.send('POST', address, { body: '{', headers: { ...headers, ...wrongProof() }, status: 401 });
  await without('hook_deliveries', [() => http.send('POST', address, { body, headers, status: 500 })]);
}

function wrongProof(): Record<string, string> {
  const wrong = Buffer.from(make('a wrong proof of a delivery'));
  return {
    'x-hub-signature-256': `sha256=${wrong.toString('hex')}`,
    authorization: `Basic ${wrong.toString('base64')}`,
  };
}

it('lives through requests that end in a 500, and the log that tells why', async () => {
  const { email, password, token, cookie } = await signUp('unlucky');
  const logIn = () => http.send('POST', '/v1/auth/login', { body: { email, password }, status: 500 });
  const signUpAnew = () => {
    const body = { email: 'late@example.com', password: make('password of a sign-up that fails') };
    return http.send('POST', '/v1/auth/signup', { body, status: 500 });
  };
  const accept = () => {
    const path = `/v1/invitations/${make('invitation token of an accept that fails')}/accept`;
    return http.send('POST', path, { token, status: 500 });
  };
  const refresh = () => http.send('POST', '/v1/auth/refresh', { cookie, status: 500 });
  await without('users', [logIn, signUpAnew]);
  await without('auth_sessions', [logIn, signUpAnew, refresh]);
  await without('organization_invitations', [accept]);
  expect(api.events.filter(({ event }) => event === 'request_failed').length).toBeGreaterThanOrEqual(6);
});

/** The table is there again afterwards, under the same name. */
async function without(table: string, requests: (() => Promise<unknown>)[]): Promise<void> {
  await admin.query(`ALTER TABLE app.${table} RENAME TO lost`);
  try {
    for (const request of requests) await request();
  } finally {
    await admin.query(`ALTER TABLE app.lost RENAME TO ${table}`);
  }
}

it('lives through programs that cannot start', async () => {
  const [key] = JSON.parse(platform.env.AUTH_SIGNING_KEYS ?? '').keys;
  const { kid: _none, ...keyWithoutId } = key;
  const withPassword = (name: string) => {
    const url = new URL(platform.env.API_DATABASE_URL ?? '');
    url.password = make(name);
    return url.href;
  };
  const starts: [program: string, settings: Record<string, string>, line: RegExp][] = [
    ['api', { AUTH_TOKEN_SECRET: plant('AUTH_TOKEN_SECRET, too short', 'canary-too-short-81') }, /AUTH_TOKEN_SECRET/],
    ['api', { AUTH_SIGNING_KEYS: JSON.stringify({ keys: [keyWithoutId] }) }, /AUTH_SIGNING_KEYS/],
    ['api', { SMTP_URL: `http://mail:${make('SMTP password, wrong scheme')}@127.0.0.1` }, /SMTP_URL/],
    ['api', { API_DATABASE_URL: withPassword('wrong password of app_api') }, /program_failed/],
    ['worker', { WORKER_DATABASE_URL: withPassword('wrong password of app_worker') }, /program_failed/],
    ['worker', { REDIS_URL: `http://:${make('password of Redis, wrong scheme')}@127.0.0.1` }, /REDIS_URL/],
  ];
  const outputs = await Promise.all(starts.map(([program, settings]) => failToStart(program, settings)));
  for (const [index, [program, settings, line]] of starts.entries()) {
    const text = outputs[index] ?? '';
    expect(text).toMatch(line);
    places.push({ name: `output of the ${program} that did not start: ${Object.keys(settings)}`, text });
  }
}, 120_000);

async function failToStart(program: string, settings: Record<string, string>): Promise<string> {
  const main = join(import.meta.dirname, '..', 'apps', program, 'src', 'main.ts');
  const child = spawn(process.execPath, [main], { env: { ...platform.env, ...settings } });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  await eventually(`the ${program} to give up`, () => child.exitCode !== null, 90_000).finally(() =>
    child.kill('SIGKILL'),
  );
  return output;
}

it('lives through a mail server that takes no mail', async () => {
  await api.kill('SIGTERM'); // it would send the mails itself
  const url = new URL(echoUrl());
  // Talks HTTP; the login is never asked for, and its failure is logged.
  const mailing = await platform.startApi({ SMTP_URL: `smtp://mail:${make('SMTP password')}@127.0.0.1:${url.port}` });
  const body = { email: 'unreachable@example.com', password: make('password of somebody without mail') };
  const answer = await fetch(`${mailing.url}/v1/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  await eventually('the mail to fail', () => mailing.events.some(({ event }) => event === 'mail_failed'), 60_000);
  await mailing.kill('SIGTERM');
  places.push({ name: 'log of the API with a mail server', text: mailing.lines.join('\n') });
}, 90_000);

it('finds a canary wherever one is', async () => {
  const value = `planted-${randomBytes(9).toString('hex')}?/"`;
  const bytes = Buffer.from(value);
  const texts = [
    value,
    `x${bytes.toString('base64')}`,
    Buffer.from(`a${value}`).toString('base64'),
    Buffer.from(`ab${value}c`).toString('base64url'),
    bytes.toString('hex').toUpperCase(),
    JSON.stringify({ value }),
    JSON.stringify({ line: JSON.stringify({ value }) }),
    `/path?x=${encodeURIComponent(value)}`,
  ];
  for (const text of texts)
    expect(findCanaries([{ name: 'planted', value }], [{ name: 'x', text }]), text).not.toEqual([]);
  const hidden = [value.slice(1), bytes.toString('base64').slice(4, -4), value.toUpperCase()];
  for (const text of hidden)
    expect(findCanaries([{ name: 'planted', value }], [{ name: 'x', text }]), text).toEqual([]);

  await admin.query('INSERT INTO app.users (id, email, display_name) VALUES (gen_random_uuid(), $1, $2)', [
    'planted@example.com',
    bytes.toString('base64'),
  ]);
  const url = platform.env.REDIS_URL ?? '';
  const redis = new Redis(url);
  await redis.multi().set('p:s', value).hset('p:h', 'a', value).rpush('p:l', value).sadd('p:u', value).exec();
  await redis.multi().zadd('p:z', 1, value).xadd('p:x', '*', 'a', value).exec();
  const found = findCanaries(
    [{ name: 'planted', value }],
    [...(await readDatabase(platform.database.adminUrl)), ...(await readRedis(url)), redisCommands.place()],
  );
  const where = found.map(({ place }) => place.replace(/^\d+ /, ''));
  expect(new Set(where)).toEqual(
    new Set([
      'column app.users.display_name',
      ...['s', 'h', 'l', 'u', 'z', 'x'].map((key) => `Redis key p:${key}`),
      'Redis commands',
    ]),
  );
  await redis.del('p:s', 'p:h', 'p:l', 'p:u', 'p:z', 'p:x');
  redis.disconnect();
  await admin.query(`DELETE FROM app.users WHERE email = 'planted@example.com'`);
});

it('T10: no secret is in a log, a row, Redis or an answer that was not meant to hold it', async () => {
  await Promise.all([api.kill('SIGTERM'), worker.kill('SIGTERM')]);
  places.push(
    ...[...api.lines.entries()].map(([index, text]) => ({ name: `line ${index + 1} of the API's log`, text })),
    ...[...worker.lines.entries()].map(([index, text]) => ({ name: `line ${index + 1} of the worker's log`, text })),
    ...(await readDatabase(platform.database.adminUrl)),
    ...(await readRedis(platform.env.REDIS_URL ?? '')),
    redisCommands.place(),
  );
  expect(api.lines.length).toBeGreaterThan(10);
  expect(worker.lines.length).toBeGreaterThan(2);
  expect([...http.search(canaries), ...findCanaries(canaries, places)]).toEqual([]);
  const searched = places.length + http.count();
  expect(canaries.length).toBeGreaterThanOrEqual(40);
  reportFigure('Secret canaries', `${canaries.length} canaries, ${searched} places searched, 0 hits`);
});
