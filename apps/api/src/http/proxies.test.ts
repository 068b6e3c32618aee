import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ApiConfig } from '@millrace/shared/config';
import { signUp } from '@millrace/shared/contracts/auth';
import type { Contract } from '@millrace/shared/contracts/contract';
import { newId } from '@millrace/shared/ids';
import type { LightMyRequestResponse } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../testing.ts';
import { fillPath, loadContracts, SAMPLE_BODIES, sampleParams } from './testing.ts';

const CLIENT = '203.0.113.7';
const SPOOF = '198.51.100.66';
const PROXY = '10.0.0.1';
const OUTER_PROXY = '10.0.0.2';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

async function open(overrides: Partial<ApiConfig>): Promise<TestApi> {
  const api = await openTestApi(overrides);
  cleanups.push(() => api.close());
  return api;
}

/** The address that limits and logs take a request for. */
async function addressSeen(api: TestApi, remoteAddress: string, headers: Record<string, string>): Promise<string> {
  let seen = '';
  const { rateLimits } = api.deps;
  api.deps.rateLimits = {
    count: (rateClass, address) => {
      seen = address;
      return rateLimits.count(rateClass, address);
    },
  };
  const { statusCode } = await api.app.inject({ method: 'POST', url: '/v1/auth/login', remoteAddress, headers });
  expect(statusCode).toBe(400);
  return seen;
}

/** Set by some proxies, and by any client. */
const NEVER_READ = {
  forwarded: `for=${SPOOF};host=evil.example;proto=https`,
  'x-real-ip': SPOOF,
  'x-client-ip': SPOOF,
  'true-client-ip': SPOOF,
  'cf-connecting-ip': SPOOF,
  'x-cluster-client-ip': SPOOF,
};

describe.each<
  [name: string, TRUST_PROXY: number | string[] | undefined, cases: [from: string, xff: string, seen: string][]]
>([
  [
    'nobody is trusted',
    undefined,
    [
      [CLIENT, SPOOF, CLIENT],
      [CLIENT, `${SPOOF}, 127.0.0.1`, CLIENT],
      ['127.0.0.1', SPOOF, '127.0.0.1'],
      [PROXY, CLIENT, PROXY],
    ],
  ],
  [
    'one hop is trusted',
    1,
    [
      [PROXY, CLIENT, CLIENT],
      [PROXY, `${SPOOF}, ${CLIENT}`, CLIENT],
      [PROXY, `127.0.0.1, ${SPOOF}, ${CLIENT}`, CLIENT],
      [PROXY, '', PROXY],
    ],
  ],
  [
    'two hops are trusted',
    2,
    [
      [PROXY, `${CLIENT}, ${OUTER_PROXY}`, CLIENT],
      [PROXY, `${SPOOF}, ${CLIENT}, ${OUTER_PROXY}`, CLIENT],
      [PROXY, CLIENT, CLIENT],
    ],
  ],
  [
    'a network is trusted',
    ['10.0.0.0/8'],
    [
      [PROXY, `${SPOOF}, ${CLIENT}, ${OUTER_PROXY}`, CLIENT],
      [PROXY, `${SPOOF}, ${CLIENT}`, CLIENT],
      [CLIENT, SPOOF, CLIENT],
      ['11.0.0.1', SPOOF, '11.0.0.1'],
      ['127.0.0.1', SPOOF, '127.0.0.1'],
    ],
  ],
  [
    'an IPv6 network is trusted',
    ['fd00::/8'],
    [
      ['fd00::1', `${SPOOF}, 2001:db8::5`, '2001:db8::5'],
      ['2001:db8::5', SPOOF, '2001:db8::5'],
    ],
  ],
])('T4: while %s', (_name, TRUST_PROXY, cases) => {
  it.each(cases)('a request from %s that names %s counts as from %s', async (from, forwarded, seen) => {
    const api = await open(TRUST_PROXY === undefined ? {} : { TRUST_PROXY });
    const headers = { ...NEVER_READ, ...(forwarded !== '' && { 'x-forwarded-for': forwarded }) };
    expect(await addressSeen(api, from, headers)).toBe(seen);
  });
});

it('T4: survives whatever a trusted proxy passes on as an address', async () => {
  const api = await open({ TRUST_PROXY: 1 });
  const odd = ['unknown', '_gazonk', ',', ' , ', '1.2.3.4:5', '[::1]:5', 'a'.repeat(5000), '%00', '"', "' OR 1=1 --"];
  for (const forwarded of odd) {
    const { statusCode } = await api.app.inject({
      method: 'POST',
      url: signUp.path,
      remoteAddress: PROXY,
      headers: { 'x-forwarded-for': forwarded },
      payload: { email: `${newId()}@example.com`, password: 'correct horse battery' },
    });
    expect(statusCode, forwarded.slice(0, 20)).toBe(201);
  }
  const { rows } = await api.deps.db.pool.query('SELECT DISTINCT ip_address FROM app.auth_sessions ORDER BY 1');
  expect(rows.map((row) => row.ip_address)).toEqual(['1.2.3.4', PROXY, '::1']);
});

const FORGED = {
  host: 'evil.example',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'https',
  'x-forwarded-port': '444',
  'x-forwarded-prefix': '/evil.example',
  'x-original-url': '/evil.example',
  'x-rewrite-url': '/evil.example',
  'x-original-host': 'evil.example',
  forwarded: 'for=198.51.100.66;host=evil.example;proto=https',
  referer: 'https://evil.example/',
};

describe.each<[string, number | undefined]>([
  ['nobody is trusted', undefined],
  ['a proxy is trusted', 1],
])('T4: while %s', (_name, trusted) => {
  it('no answer, cookie or redirect follows the host, the protocol or the origin that a request claims', async () => {
    const api = await open({ ...(trusted && { TRUST_PROXY: trusted }), WEB_BASE_URL: 'http://localhost:3000' });
    const user = await signUpUser(api);
    const orgId = await createOrg(api, user);
    for (const contract of await loadContracts()) {
      if (contract.id.startsWith('delete') || /^logOut/.test(contract.id)) continue;
      const params = sampleParams(orgId);
      const honest = await send(api, contract, params, user, {});
      const forged = await send(api, contract, params, user, FORGED);
      const foreign = await send(api, contract, params, user, { origin: 'https://evil.example' });
      for (const answer of [forged, foreign]) {
        const everything = JSON.stringify(answer.headers) + answer.body;
        expect(everything, contract.id).not.toContain('evil.example');
        expect(everything, contract.id).not.toMatch(/; Secure|__Host-/);
      }
      expect(Object.keys(forged.headers).toSorted(), contract.id).toEqual(Object.keys(honest.headers).toSorted());
    }
  });
});

it('T4: no code asks a request where it was sent to', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const asks =
    /request\.(host|hostname|protocol|port|originalUrl|ips)\b|headers\.(host|referer|forwarded)\b|x-forwarded|x-real-ip/i;
  const found: string[] = [];
  for await (const file of glob('**/*.ts', { cwd: root })) {
    if (/\.test\.ts$|testing\.ts$/.test(file)) continue;
    if (asks.test(await readFile(`${root}/${file}`, 'utf8'))) found.push(file);
  }
  expect(found).toEqual([]);
});

/** Calls that make something get an address of their own, so that both of a pair can. */
function send(
  api: TestApi,
  contract: Contract,
  params: Record<string, string>,
  user: TestUser,
  headers: Record<string, string>,
): Promise<LightMyRequestResponse> {
  const sample = SAMPLE_BODIES[contract.id];
  const unique = newId();
  const body = sample && {
    ...sample,
    ...('email' in sample && { email: `${unique}@example.com` }),
    ...('slug' in sample && { slug: `s-${unique}` }),
  };
  return api.app.inject({
    method: contract.method,
    url: fillPath(contract, params),
    headers: { authorization: `Bearer ${user.token}`, 'x-org-id': params.orgId ?? '', ...headers },
    ...(body && { payload: body }),
  });
}
