import { createHmac, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { logIn } from '@millrace/shared/contracts/auth';
import type { Contract } from '@millrace/shared/contracts/contract';
import { createInvitation } from '@millrace/shared/contracts/invitations';
import { getMe } from '@millrace/shared/contracts/me';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { openTokenForge, type TokenForge } from '@millrace/shared/testing-tokens';
import { generateSigningKeys } from '@millrace/shared/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { fillPath, loadContracts, SAMPLE_BODIES, sampleParams } from '../../http/testing.ts';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { hashApiKey } from '../api-keys/key.ts';
import { queryAsAdmin } from '../organizations/testing.ts';

const ORIGIN = 'http://localhost:3000';
const contracts = await loadContracts();
const guarded = contracts.filter(({ auth }) => auth === 'bearer' || auth === 'session');
const cookieRoutes = contracts.filter(({ auth }) => auth === 'cookie' || auth === 'bearer-or-cookie');

let api: TestApi;
let url: string;
let user: TestUser;
let orgId: string;
let forge: TokenForge;
beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  user = await signUpUser(api);
  orgId = await createOrg(api, user);
  const claims = { userId: user.id, sessionId: user.session.sessionId, email: user.email };
  forge = openTokenForge(api.deps.config.AUTH_SIGNING_KEYS, claims, Math.floor(Date.now() / 1000));
});
afterAll(() => api.close());

const ask = (token: string) => fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
const failures = () => api.logLines.filter(({ event }) => event === 'request_failed');

/** A well-formed request to a contract, in which only the credential can be wrong. */
function send(contract: Contract, headers: Record<string, string>, params: Record<string, string> = {}) {
  const body = SAMPLE_BODIES[contract.id];
  return api.app.inject({
    method: contract.method,
    url: fillPath(contract, { ...sampleParams(orgId), ...params }),
    headers: { 'x-org-id': orgId, ...headers },
    ...(body && { payload: body }),
  });
}

let refusedTokens = 0;

it('A5: refuses every forged access token with the same 401, over HTTP', async () => {
  expect((await ask(forge.good)).status).toBe(200);
  const { bad } = forge;
  expect(new Set(bad.map(([, token]) => token)).size).toBe(bad.length);
  expect(bad.length).toBeGreaterThanOrEqual(60);
  const answers = await Promise.all(
    bad.map(async ([name, token]) => {
      const answer = await ask(token);
      const { requestId: _, ...body } = (await answer.json()) as Record<string, unknown>;
      return { name, status: answer.status, body };
    }),
  );
  const body = { code: 'UNAUTHORIZED', message: expect.any(String) };
  for (const answer of answers) expect(answer).toEqual({ name: answer.name, status: 401, body });
  expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
  expect((await ask(forge.good)).status).toBe(200);
  expect(failures()).toEqual([]);
  refusedTokens += bad.length;
});

it('A5: refuses a well-signed token whose user and session do not belong together', async () => {
  const stranger = await signUpUser(api);
  const { sessionId: sid } = user.session;
  const mixed = [
    { sub: sid, sid: user.id },
    { sub: stranger.id },
    { sid: stranger.session.sessionId },
    { sub: newId() },
    { sid: newId() },
    { sub: user.id.toUpperCase(), sid: newId() },
  ];
  for (const claims of mixed)
    for (const contract of [getMe, ...guarded.slice(0, 5)])
      expect((await send(contract, { authorization: `Bearer ${forge.withClaims(claims)}` })).statusCode).toBe(401);
  refusedTokens += mixed.length;
});

it('A5: takes a token from the Authorization header alone', async () => {
  const { token } = user;
  const places: { url?: string; headers?: Record<string, string> }[] = [
    { url: `/v1/me?access_token=${token}` },
    { headers: { cookie: `rt=${token}; access_token=${token}; token=${token}` } },
    { headers: { 'x-api-key': token } },
    { headers: { 'x-access-token': token } },
    { headers: { 'proxy-authorization': `Bearer ${token}` } },
    { headers: { 'x-authorization': `Bearer ${token}` } },
    { headers: { authorization: token } },
    { headers: { authorization: `Token ${token}` } },
    { headers: { authorization: `Basic ${Buffer.from(`${user.email}:${token}`).toString('base64')}` } },
    { headers: { authorization: `Bearer ${token}, Bearer ${token}` } },
    { headers: { authorization: `Bearer ${token} ` } },
    { headers: { authorization: `Bearer  ${token}` } },
    { headers: { authorization: `Bearer "${token}"` } },
  ];
  for (const { url: path = '/v1/me', headers = {} } of places) {
    const { statusCode } = await api.app.inject({ url: path, headers });
    expect([401, 400], JSON.stringify({ path: path.slice(0, 20), headers })).toContain(statusCode);
  }
  expect((await api.app.inject({ url: '/v1/me', headers: { authorization: `bearer ${token}` } })).statusCode).toBe(200);
});

it('A5: refuses each kind of token at every endpoint of another kind', async () => {
  const tokens = await oneOfEachKind();
  let pairs = 0;
  const expectRefused = async (what: string, statuses: number[], answer: ReturnType<typeof send>) => {
    const { statusCode, headers } = await answer;
    expect(statuses, what).toContain(statusCode);
    expect(headers['set-cookie'], what).toBeUndefined();
    pairs += 1;
  };
  for (const [kind, token] of Object.entries(tokens)) {
    for (const contract of guarded) {
      if (kind === 'access' || (kind === 'apiKey' && contract.auth === 'bearer')) continue;
      const status = kind === 'apiKey' ? 403 : 401;
      await expectRefused(`${kind} at ${contract.id}`, [status], send(contract, { authorization: `Bearer ${token}` }));
    }
    for (const contract of cookieRoutes) {
      if (kind !== 'refresh')
        await expectRefused(
          `${kind} as cookie at ${contract.id}`,
          [401],
          send(contract, { origin: ORIGIN, cookie: `rt=${token}` }),
        );
      if (contract.auth === 'bearer-or-cookie' && kind !== 'access')
        await expectRefused(
          `${kind} as bearer at ${contract.id}`,
          [kind === 'apiKey' ? 403 : 401],
          send(contract, { authorization: `Bearer ${token}` }),
        );
    }
    for (const contract of contracts.filter(({ id }) => 'token' in (SAMPLE_BODIES[id] ?? {}))) {
      const payload = { ...SAMPLE_BODIES[contract.id], token };
      // Where somebody must be signed in as well, somebody is: it is the token in the body that is refused.
      const headers = contract.auth === 'public' ? {} : { authorization: `Bearer ${user.token}` };
      const request = api.app.inject({ method: contract.method, url: contract.path, payload, headers });
      await expectRefused(`${kind} in the body of ${contract.id}`, [400], request);
    }
    for (const contract of contracts.filter(({ path }) => path.includes(':token'))) {
      if (kind === 'invitation') continue;
      const headers = { authorization: `Bearer ${user.token}` };
      await expectRefused(`${kind} in the path of ${contract.id}`, [400, 404], send(contract, headers, { token }));
    }
  }
  expect(failures()).toEqual([]);
  expect((await ask(user.token)).status).toBe(200);
  expect(refusedTokens).toBeGreaterThan(60);
  reportFigure('Token abuse', `${refusedTokens} mutated JWTs and ${pairs} token/endpoint pairs refused`);
});

it('A9: a cookie alone opens no route but refresh and the two sign-outs', async () => {
  const headers = { cookie: user.cookie, origin: ORIGIN, 'sec-fetch-site': 'same-origin' };
  for (const contract of guarded) expect((await send(contract, headers)).statusCode, contract.id).toBe(401);
  for (const { id, auth } of contracts)
    expect(['refreshSession', 'logOut', 'logOutAll'].includes(id), id).toBe(/cookie/.test(auth));
  const { statusCode } = await api.app.inject({ url: '/v1/me', headers: { cookie: `__Host-${user.cookie}` } });
  expect(statusCode).toBe(401);
});

describe('A5: signing keys', () => {
  it('are rotated under load without one 401, instance after instance', async () => {
    const [older, newer] = [await generateSigningKeys(), await generateSigningKeys()].map((text) => JSON.parse(text));
    const set = (...sets: { keys: object[] }[]) => JSON.stringify({ keys: sets.flatMap(({ keys }) => keys) });
    const person = await signUpUser(api);
    const instances = await Promise.all([startInstance(set(older)), startInstance(set(older))]);
    const atWork = new Map<TestApi, number>();
    const count = (instance: TestApi, by: number) => atWork.set(instance, (atWork.get(instance) ?? 0) + by);
    const tokens: string[] = [];
    const seen = { answers: new Map<number, number>(), kids: new Set<string>() };
    let isRunning = true;
    const load = Array.from({ length: 8 }, async (_, client) => {
      for (let turn = client; isRunning; turn += 1) {
        const instance = instances[turn % instances.length] as TestApi;
        count(instance, 1);
        if (turn % 20 === client || tokens.length === 0) tokens.push(await signInAt(instance, person));
        const token = tokens[(turn * 7) % tokens.length] ?? '';
        const { status } = await call(instance, getMe, { token });
        seen.answers.set(status, (seen.answers.get(status) ?? 0) + 1);
        count(instance, -1);
        seen.kids.add(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid);
      }
    });
    const ended = Promise.all(load);
    ended.catch(() => undefined); // it is awaited below
    const answered = () => [...seen.answers.values()].reduce((sum, count) => sum + count, 0);
    // Every instance first learns the new key, then signs with it; only then may the old one go.
    for (const keys of [set(older, newer), set(newer, older)]) {
      for (const index of instances.keys()) {
        const before = answered();
        await expect.poll(answered, { timeout: 20_000 }).toBeGreaterThan(before + 100);
        const retired = instances[index] as TestApi;
        instances[index] = await startInstance(keys);
        await expect.poll(() => atWork.get(retired), { timeout: 20_000 }).toBe(0);
        await stopInstance(retired);
      }
    }
    await expect.poll(() => seen.kids.size, { timeout: 20_000 }).toBe(2);
    isRunning = false;
    await ended;
    expect([...seen.answers.keys()]).toEqual([200]);
    await Promise.all(instances.map(stopInstance));

    const later = await startInstance(set(newer));
    const statuses = await Promise.all(tokens.map(async (token) => (await call(later, getMe, { token })).status));
    expect(new Set(statuses)).toEqual(new Set([200, 401])); // tokens of the key that was removed are dead
    await stopInstance(later);
  }, 60_000);
});

/** A further API on the same database. */
async function startInstance(AUTH_SIGNING_KEYS: string): Promise<TestApi> {
  const deps = await openDeps({ ...api.deps.config, AUTH_SIGNING_KEYS }, api.deps.log);
  return { ...api, deps, app: await buildApp(deps) };
}

async function stopInstance({ app, deps }: TestApi): Promise<void> {
  await app.close();
  await closeDeps(deps);
}

async function signInAt(instance: TestApi, { email, password }: TestUser): Promise<string> {
  const { status, body } = await call(instance, logIn, { body: { email, password } });
  expect(status).toBe(200);
  return body.session.token;
}

/** A live token of every kind there is, all of the same owner of the same organization. */
async function oneOfEachKind(): Promise<Record<string, string>> {
  const { token, cookie } = user;
  const refresh = cookie.slice('rt='.length);
  const apiKey = `mr_${randomBytes(32).toString('base64url')}`;
  await queryAsAdmin(
    api,
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $2, 'k', $3, 'hint', ARRAY['run:read'], $4)`,
    [orgId, newId(), hashApiKey(apiKey), user.id],
  );
  const invited = await call(api, createInvitation, {
    token,
    params: { orgId },
    body: { email: `${newId()}@example.com`, roleKey: 'member' },
  });
  expect(invited.status).toBe(201);
  const fromServerKey = (purpose: string) =>
    createHmac('sha256', api.deps.config.AUTH_TOKEN_SECRET).update(purpose).digest('base64url');
  return {
    access: token,
    refresh,
    refreshSecret: refresh.split('.')[1] ?? '',
    sessionId: user.session.sessionId,
    userId: user.id,
    apiKey,
    apiKeyWithoutPrefix: apiKey.slice(3),
    invitation: invited.body.invitation.token,
    hook: fromServerKey('hook'),
    state: randomBytes(32).toString('base64url'),
    serverSecret: api.deps.config.AUTH_TOKEN_SECRET,
  };
}
