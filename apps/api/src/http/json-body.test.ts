import fc from 'fast-check';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerError } from './errors.ts';
import { acceptOnlyJson, findUnstorable, isStorableText } from './json-body.ts';

const MAX_DEPTH = 64;
const MAX_KEYS = 10_000;

let app: FastifyInstance;

beforeAll(() => {
  app = Fastify({ bodyLimit: 1024 * 1024 });
  app.setErrorHandler(answerError);
  acceptOnlyJson(app);
  app.post('/echo', async (request) => ({ body: request.body }));
});

afterAll(async () => {
  await app.close();
});

it('hands over every storable JSON value unchanged, however it is spaced', async () => {
  const text = fc.string({ unit: 'grapheme' }).filter((value) => isStorableText(value));
  const key = text.filter((name) => name !== '__proto__' && name !== 'constructor');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, text, fc.integer(), fc.boolean(), tie('list'), tie('record')),
    list: fc.array(tie('value'), { maxLength: 5 }),
    record: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
  }));
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom(undefined, 1, '\t', '\r\n'), async (body, indent) => {
      const answer = await post(JSON.stringify(body, null, indent));
      expect(answer.statusCode).toBe(200);
      expect(JSON.parse(answer.body)).toEqual(JSON.parse(JSON.stringify({ body })));
    }),
    { numRuns: 200 },
  );
});

it('counts depth exactly, whatever is nested in what and whatever brackets stand in strings', async () => {
  const levels = fc.array(fc.boolean(), { minLength: MAX_DEPTH - 3, maxLength: MAX_DEPTH + 3 });
  await fc.assert(
    fc.asyncProperty(levels, fc.string(), async (kinds, noise) => {
      const leaf = JSON.stringify(`[{"${noise}\\`);
      const body = kinds.reduce((inner, isList) => (isList ? `[${inner}]` : `{"[":${inner}}`), leaf);
      const isStorable = isStorableText(noise);
      const expected = kinds.length <= MAX_DEPTH && isStorable ? 200 : 400;
      expect((await post(body)).statusCode).toBe(expected);
    }),
    { numRuns: 200 },
  );
});

it('takes 10,000 keys and refuses one more', async () => {
  const withKeys = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join()}}`;
  expect((await post(withKeys(MAX_KEYS))).statusCode).toBe(200);
  const refused = await post(withKeys(MAX_KEYS + 1));
  expect([refused.statusCode, refused.json().details[0].code]).toEqual([400, 'TOO_MANY_KEYS']);
});

it('takes a body of exactly 1 MiB and refuses one byte more', async () => {
  const ofSize = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;
  expect((await post(ofSize(1024 * 1024))).statusCode).toBe(200);
  expect((await post(ofSize(1024 * 1024 + 1))).json().code).toBe('PAYLOAD_TOO_LARGE');
});

it('never fails on arbitrary text and says at which path a value cannot be stored', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
      expect([200, 400]).toContain((await post(text)).statusCode);
    }),
    { numRuns: 300 },
  );
  const refused = await post('{"a":{"b":[1,"x\\u0000"]}}');
  expect(refused.json().details).toEqual([{ path: 'a.b.1', code: 'TEXT_NOT_STORABLE', message: expect.any(String) }]);
});

it('T7: judges 1 MiB of the worst shapes in well under a second of the processor', async () => {
  const shapes = ['['.repeat(1_000_000), `"${'\\"'.repeat(500_000)}"`, `[${'1,'.repeat(500_000)}1]`, ':'.repeat(1e6)];
  for (const shape of shapes) {
    const before = process.cpuUsage(); // other programs on the machine do not count
    await post(shape);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  }
});

it('T7: looks at 1 MiB of small values in little more than the time it takes to parse them', () => {
  for (const item of ['1', '""', '[]', 'null']) {
    const text = `[${`${item},`.repeat(Math.floor((1024 * 1024 - 8) / (item.length + 1)))}${item}]`;
    const value = JSON.parse(text);
    const ratios = Array.from(
      { length: 9 },
      () => timeOf(() => findUnstorable(value)) / timeOf(() => JSON.parse(text)),
    );
    const median = ratios.toSorted((a, b) => a - b)[4];
    expect({ item, median }).toEqual({ item, median: expect.toSatisfy((ratio: number) => ratio < 2) });
  }
});

function timeOf(work: () => unknown): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

function post(payload: string) {
  return app.inject({ method: 'POST', url: '/echo', payload, headers: { 'content-type': 'application/json' } });
}
