import type { Contract } from '@millrace/shared/contracts/contract';
import { ERROR_CATALOG, type ErrorCode } from '@millrace/shared/errors';
import { reportFigure } from '@millrace/shared/testing';
import fc from 'fast-check';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { addOrganization, type Person } from '../features/organizations/testing.ts';
import { openTestApi, type TestApi } from '../testing.ts';
import { fillPath, loadContracts, SAMPLE_BODIES, sampleParams } from './testing.ts';

const contracts = await loadContracts();
const withBody = contracts.filter(({ method }) => method !== 'GET');
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const describePrototypes = () =>
  JSON.stringify(PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).map(String).toSorted()));
const CLEAN = describePrototypes();
const JSON_TYPE = { 'content-type': 'application/json' };
const LEAK =
  /node_modules|\.ts:\d|\bat \w+ \(|SELECT |INSERT |UPDATE |violates|constraint|syntax error|postgres|FST_|ECONN/i;

/** In bytes: 1 MiB for a caller who is known, 16 KiB for a stranger, 1 KiB where no body belongs. */
const largestBody = ({ auth, body }: Contract) => {
  if (!body) return 1024;
  return auth === 'bearer' || auth === 'session' ? 1024 * 1024 : 16 * 1024;
};
const statusFor = (contract: Contract, body: string) =>
  Buffer.byteLength(body) > largestBody(contract) ? [413] : [400];

let api: TestApi;
let owner: Person;
let orgId: string;

beforeAll(async () => {
  api = await openTestApi();
  ({ orgId, owner } = await addOrganization(api));
});

afterEach(() => {
  expectCleanPrototypes();
  expect(api.logLines.filter(({ event }) => event === 'request_failed')).toEqual([]);
});

afterAll(async () => {
  await api.close();
  reportFigure('Bad input shapes', `${refusals} refused over ${contracts.length} endpoints, 0 x 5xx`);
});

it('has a valid sample for every contract, so that each bad input is bad in one way only', () => {
  expect(contracts.length).toBeGreaterThan(30);
  expect(new Set(contracts.map(({ id }) => id)).size).toBe(contracts.length);
  const params = sampleParams(orgId);
  for (const contract of contracts) {
    if (contract.body) expect(contract.body.safeParse(SAMPLE_BODIES[contract.id]).success, contract.id).toBe(true);
    expect(fillPath(contract, params)).not.toContain('no-sample');
  }
});

describe.each(withBody.map((contract) => [contract.id, contract] as const))('%s refuses', (id, contract) => {
  const sample = SAMPLE_BODIES[id] ?? {};

  it('T7: bodies of the wrong type, as a whole and in each place', async () => {
    const wholes = [null, 1, 'text', true, [], [sample]];
    const values = [null, 1.5, -1, true, '', 'x'.repeat(3000), [], [1], {}, { a: 1 }];
    const parts = Object.keys(sample).flatMap((key) => values.map((value) => ({ ...sample, [key]: value })));
    const refused = parts.filter((body) => !contract.body?.safeParse(body).success);
    for (const body of [...wholes, ...refused]) expectRefusal(await sendJson(contract, JSON.stringify(body)), [400]);
  });

  it('T8: keys that reach for a prototype, in every place', async () => {
    const keys = [
      '"__proto__":{"polluted":true}',
      '"__proto__":null',
      '"__proto__":[]',
      '"__proto__":"x"',
      '"__proto__" : {"__proto__":{"polluted":true}}',
      '"\\u005f_proto__":{"polluted":true}',
      '"__proto_\\u005F":{"polluted":true}',
      '"constructor":{"prototype":{"polluted":true}}',
      '"constructor":{"\\u0070rototype":{"polluted":true}}',
      '"\\u0063onstructor" : {"prototype":{}}',
    ];
    for (const key of keys)
      for (const body of plantKey(JSON.stringify(sample), key)) {
        expectRefusal(await sendJson(contract, body), [400]);
        expectCleanPrototypes();
      }
  });

  it('T7: JSON nested from 100 to 500,000 deep, closed and open, as the body and inside it', async () => {
    for (const depth of [100, 1_000, 10_000, 100_000, 500_000]) {
      const arrays = `${'['.repeat(depth)}${']'.repeat(depth)}`;
      const objects = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
      for (const body of [arrays, objects, '['.repeat(depth), '{"a":'.repeat(depth), '[{"a":'.repeat(depth)])
        expectRefusal(await sendJson(contract, body), statusFor(contract, body));
      if (depth > 10_000) continue;
      for (const deep of [arrays, objects])
        for (const body of plantKey(JSON.stringify(sample), `"deep":${deep}`))
          expectRefusal(await sendJson(contract, body), statusFor(contract, body));
    }
  });

  it('T7: wide objects and lists, long keys and endless numbers', async () => {
    const many = (count: number, item: (index: number) => string) =>
      Array.from({ length: count }, (_, at) => item(at)).join();
    const wide = [
      `{${many(10_001, (at) => `"k${at}":1`)}}`,
      `{${many(60_000, (at) => `"k${at}":1`)}}`,
      `[${many(200_000, () => '1')}]`,
      `[${many(100_000, () => '{}')}]`,
      `{"${'k'.repeat(1_000_000)}":1}`,
      '9'.repeat(1_000_000),
      `-${'0.1'.repeat(1)}${'1'.repeat(900_000)}`,
      `1${'0'.repeat(400)}`,
      '1e400',
      '-1e400',
      `1e${'9'.repeat(1000)}`,
      '0e0',
      '-0',
      `"${'x'.repeat(1_000_000)}"`,
      `"${'\\u0041'.repeat(100_000)}"`,
      `"${'\\ud83d'.repeat(100_000)}"`,
      `${' '.repeat(500_000)}[]${' '.repeat(500_000)}`,
    ];
    for (const body of wide) {
      expectRefusal(await sendJson(contract, body), statusFor(contract, body));
      if (body.length > 300_000) continue;
      // Where free JSON may stand some of these are welcome.
      for (const planted of plantKey(JSON.stringify(sample), `"wide":${body}`))
        expect((await sendJson(contract, planted)).statusCode).toBeLessThan(500);
    }
  });

  it('T7: a key twice when the last of the two is wrong, as if it stood alone', async () => {
    for (const key of Object.keys(sample)) {
      const wrong = [null, 1.5, '', [], { a: 1 }].find(
        (value) => !contract.body?.safeParse({ ...sample, [key]: value }).success,
      );
      if (wrong === undefined) continue;
      const body = JSON.stringify(sample).replace(/}$/, `,${JSON.stringify(key)}:${JSON.stringify(wrong)}}`);
      expectRefusal(await sendJson(contract, body), [400]);
    }
  });

  it('T7: bodies of 5 MB', async () => {
    const bodies = [
      `{"a":"${'x'.repeat(5_000_000)}"}`,
      ' '.repeat(5_000_000),
      '['.repeat(5_000_000),
      `{${'"a":1,'.repeat(833_333)}"a":1}`,
    ];
    for (const body of bodies) expectRefusal(await sendJson(contract, body), [413]);
  });

  it('T7: malformed JSON', async () => {
    const texts = ['{', '}', '{"a":}', '[1,', '{"a":1}}', "{'a':1}", '{"a":1,}', 'NaN', '\u0000', '"', '"\\ud8"', '1e'];
    for (const text of texts) expectRefusal(await sendJson(contract, text), [400]);
    const notUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]);
    expectRefusal(await send(contract, { payload: notUtf8, headers: JSON_TYPE }), [400]);
  });

  it('T7: other content types', async () => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'application/jsonx',
      'application/octet-stream',
      'application/json, text/plain',
      'text/plain; application/json',
      'nonsense',
    ];
    for (const type of types)
      expectRefusal(
        await send(contract, { payload: JSON.stringify(sample), headers: { 'content-type': type } }),
        [415],
      );
  });

  it('T7: a body without a content type', async () => {
    expectRefusal(await send(contract, { payload: JSON.stringify(sample) }), [415]);
  });

  it('T7: NUL, lone surrogates and endless numbers in every place', async () => {
    for (const value of ['"\\u0000"', '"a\\ud800b"', '"\\udc00"', '1e999', '-1e999']) {
      const bodies = plantKey(JSON.stringify(sample), `"key":${value}`);
      for (const body of bodies) expectRefusal(await sendJson(contract, body), [400]);
      for (const key of Object.keys(sample)) {
        const text = JSON.stringify({ ...sample, [key]: '@' }).replace('"@"', value);
        expectRefusal(await sendJson(contract, text), [400]);
      }
    }
    for (const key of ['"\\u0000":1', '"\\ud800":1'])
      for (const body of plantKey(JSON.stringify(sample), key)) expectRefusal(await sendJson(contract, body), [400]);
  });

  it('T7: whatever JSON its schema refuses', async () => {
    const schema = contract.body;
    const bodies = fc.sample(fc.json({ maxDepth: 6 }), { numRuns: 60, seed: 20_260 });
    for (const body of bodies) {
      const parsed: unknown = JSON.parse(body);
      if (schema ? schema.safeParse(parsed).success : JSON.stringify(parsed) === '{}') continue;
      expectRefusal(await sendJson(contract, body), statusFor(contract, body));
    }
  });

  it('T7: one byte more than it may take, and reads all that it may', async () => {
    const ofSize = (bytes: number) => `["${'x'.repeat(bytes - 4)}"]`;
    expectRefusal(await sendJson(contract, ofSize(largestBody(contract))), [400]);
    expectRefusal(await sendJson(contract, ofSize(largestBody(contract) + 1)), [413]);
  });
});

describe.each(contracts.map((contract) => [contract.id, contract] as const))('%s refuses', (_id, contract) => {
  it('T7: parameters in the path that are no ids, leave it or are badly encoded', async () => {
    const bad = [
      'x',
      '00000000-0000-0000-0000-00000000000g',
      '{0197f000-0000-7000-8000-000000000000}',
      '0197f000-0000-7000-8000-000000000000%00',
      '..%2F..%2Fetc%2Fpasswd',
      '%2e%2e%2f%2e%2e%2f',
      "'%20OR%201=1--",
      '%',
      '%zz',
      '%00',
      '%ED%A0%80',
      '%C0%AF',
      'a'.repeat(1000),
      '__proto__',
      'constructor',
    ];
    const params = sampleParams(orgId);
    for (const [, name] of contract.path.matchAll(/:(\w+)/g))
      for (const value of bad) {
        if (contract.params?.shape[String(name)]?.safeParse(value).success) continue; // not bad here: a name may be `x`
        const url = fillPath(contract, { ...params, [String(name)]: value });
        expectRefusal(await send(contract, { url, ...sampleRequest(contract) }), [400, 401, 403, 404, 405, 409]);
      }
  });

  it('T7: query parameters it does not know or cannot read', async () => {
    const isOpen = contract.id === 'finishOAuth'; // providers add parameters of their own
    const unknown = ['x=1', '__proto__=1', 'constructor[prototype]=1', `${'a=1&'.repeat(10_000)}`];
    const known = Object.keys(contract.query?.shape ?? {});
    const twice = known.map((name) => `${name}=1&${name}=2`);
    const broken = known.flatMap((name) => [`${name}=%00`, `${name}=${'9'.repeat(5000)}`]);
    for (const query of [...(isOpen ? [] : unknown), ...twice, ...broken]) {
      const url = `${fillPath(contract, sampleParams(orgId))}?${query}`;
      expectRefusal(await send(contract, { url, ...sampleRequest(contract) }), [400]);
    }
  });

  it('requests without, with a wrong and with a mangled credential before it reads the body', async () => {
    if (contract.auth !== 'bearer' && contract.auth !== 'session') return;
    const bodies = contract.method === 'GET' ? [undefined] : ['{', JSON.stringify(SAMPLE_BODIES[contract.id] ?? {})];
    for (const authorization of ['', 'Bearer', 'Bearer x', 'Basic abc', `Bearer ${owner.token}x`, owner.token])
      for (const payload of bodies)
        expectRefusal(
          await send(contract, { headers: { ...JSON_TYPE, authorization }, ...(payload && { payload }) }),
          [401],
        );
  });
});

describe.each([...new Set(contracts.map(({ path }) => path))])('%s', (path) => {
  it('answers 405 with Allow to the methods it does not serve', async () => {
    const here = contracts.filter((contract) => contract.path === path);
    const served = new Set<string>(here.map(({ method }) => method));
    if (served.has('GET')) served.add('HEAD');
    for (const method of METHODS.filter((one) => !served.has(one))) {
      const response = await api.app.inject({ method, url: fillPath(here[0] as Contract, sampleParams(orgId)) });
      if (method === 'HEAD') expect(response.statusCode).toBe(405);
      else expectRefusal(response, [405]);
      const allow = String(response.headers.allow).split(', ');
      expect(new Set(allow)).toEqual(served);
    }
  });
});

it.each([
  '/',
  '/v1',
  '/v1/',
  '/v1/nope',
  '/V1/orgs',
  '//v1/orgs',
  '/v1/orgs/',
  '/v1/orgs//members',
  '/v1/../v1/orgs',
  '/.env',
  '/..%2f..%2fetc%2fpasswd',
  '/%',
  '/%zz',
  '/%00',
  '/healthz/x',
  '/__proto__',
])('answers an address of nothing in its envelope: %s', async (url) => {
  for (const method of METHODS) {
    if (method === 'HEAD') continue;
    expectRefusal(
      await api.app.inject({ method, url, headers: { authorization: `Bearer ${owner.token}` } }),
      [400, 404, 405],
    );
  }
});

let refusals = 0;

function expectCleanPrototypes(): void {
  expect(describePrototypes()).toBe(CLEAN);
  expect('polluted' in {}).toBe(false);
}

/** The same JSON with `member` added to each object in it, one text per object. */
function plantKey(json: string, member: string): string[] {
  const texts: string[] = [];
  for (let at = json.indexOf('{'); at !== -1; at = json.indexOf('{', at + 1)) {
    const separator = json[at + 1] === '}' ? '' : ',';
    texts.push(`${json.slice(0, at + 1)}${member}${separator}${json.slice(at + 1)}`);
  }
  return texts;
}

function sampleRequest(contract: Contract): InjectOptions {
  if (contract.method === 'GET' || !contract.body) return {};
  return { payload: JSON.stringify(SAMPLE_BODIES[contract.id]), headers: JSON_TYPE };
}

function sendJson(contract: Contract, payload: string): Promise<LightMyRequestResponse> {
  return send(contract, { payload, headers: JSON_TYPE });
}

/** As the owner of the organization, with the right context: nothing but the bad input is wrong. */
function send(contract: Contract, options: InjectOptions): Promise<LightMyRequestResponse> {
  return api.app.inject({
    method: contract.method,
    url: fillPath(contract, sampleParams(orgId)),
    ...options,
    headers: { authorization: `Bearer ${owner.token}`, 'x-org-id': orgId, ...options.headers },
  });
}

function expectRefusal(response: LightMyRequestResponse, statuses: number[]): void {
  const { statusCode, body: text, headers } = response;
  expect(statuses, text.slice(0, 300)).toContain(statusCode);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  const { code, message, requestId, details, ...rest } = JSON.parse(text);
  expect(rest).toEqual({});
  expect(ERROR_CATALOG[code as ErrorCode]?.status).toBe(statusCode);
  expect(message.length).toBeGreaterThan(10);
  expect(requestId).toBe(headers['x-request-id']);
  for (const detail of details ?? [])
    expect(detail).toEqual({ path: expect.any(String), code: expect.any(String), message: expect.any(String) });
  expect(text).not.toMatch(LEAK);
  refusals += 1;
}
