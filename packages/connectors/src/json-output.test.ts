import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_OUTPUT_BYTES, toJsonOutput } from './json-output.ts';

describe('an output', () => {
  test('that is storable JSON comes back equal and as a copy', () => {
    const storable = fc.jsonValue({ stringUnit: fc.constantFrom('a', '"', '\\', '{', ']', 'é', '😀', '\\u0000') });
    fc.assert(
      fc.property(storable, (value) => {
        // -0 has no JSON form.
        const expected: unknown = JSON.parse(JSON.stringify(value));
        expect(toJsonOutput(value)).toEqual(expected);
      }),
    );
  });

  test('without a value is null, and what JSON cannot say is left out', () => {
    expect(toJsonOutput(undefined)).toBeNull();
    expect(toJsonOutput({ a: undefined, b: () => 1, c: new Date(0), d: Number.NaN })).toEqual({
      c: '1970-01-01T00:00:00.000Z',
      d: null,
    });
  });

  const cycle: unknown[] = [];
  cycle.push(cycle);
  test.each<[string, unknown]>([
    ['a cycle', cycle],
    ['a BigInt', { n: 1n }],
  ])('that JSON cannot write is refused: %s', (_name, value) => {
    expect(() => toJsonOutput(value)).toThrow(expect.objectContaining({ code: 'OUTPUT_INVALID', retryable: false }));
  });

  test.each([201, 5000, 1_000_000])('nested %d deep is refused without a stack overflow', (depth) => {
    const value: unknown = JSON.parse('['.repeat(depth) + ']'.repeat(depth));
    expect(() => toJsonOutput(value)).toThrow(expect.objectContaining({ code: 'OUTPUT_INVALID' }));
  });

  test('nested 200 deep is kept; brackets in text do not count', () => {
    const deep: unknown = JSON.parse('['.repeat(200) + ']'.repeat(200));
    expect(toJsonOutput(deep)).toEqual(deep);
    const text = ['['.repeat(1000), '\\', '"['.repeat(1000)];
    expect(toJsonOutput(text)).toEqual(text);
  });

  test('may have 16 MiB as JSON and not a byte more', () => {
    expect(toJsonOutput('x'.repeat(MAX_OUTPUT_BYTES - 2))).toHaveLength(MAX_OUTPUT_BYTES - 2);
    const tooLarge = expect.objectContaining({ code: 'OUTPUT_TOO_LARGE', retryable: false });
    expect(() => toJsonOutput('x'.repeat(MAX_OUTPUT_BYTES - 1))).toThrow(tooLarge);
    expect(() => toJsonOutput('é'.repeat(MAX_OUTPUT_BYTES / 2))).toThrow(tooLarge);
  });

  test('loses the characters PostgreSQL cannot store and nothing else', () => {
    expect(toJsonOutput({ 'a\0': 'b\0c', lone: 'x\ud800y', pair: '😀', literal: '\\u0000' })).toEqual({
      'a\uFFFD': 'b\uFFFDc',
      lone: 'x\uFFFDy',
      pair: '😀',
      literal: '\\u0000',
    });
  });

  test('with a key named __proto__ keeps it as data', () => {
    for (const text of ['{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":"\\u0000"}}']) {
      const copy = toJsonOutput(JSON.parse(text));
      expect(Object.keys(copy as object)).toEqual(['__proto__']);
      expect((copy as { polluted?: unknown }).polluted).toBeUndefined();
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
