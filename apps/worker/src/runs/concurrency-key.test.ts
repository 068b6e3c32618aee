import { expect, test } from 'vitest';
import { toConcurrencyKey } from './concurrency-key.ts';

test('values that differ as JSON are different keys, text that looks like another value or key too', () => {
  const long = 'x'.repeat(300);
  const plain = [5, null, true, {}, [], [''], '', 'acme', long, [long], { a: [long] }];
  const texts = plain.map((value) => JSON.stringify(value));
  const keys = [...plain, ...texts].map(toConcurrencyKey).filter((key) => /^(json|sha256):/.test(key));
  const marked = ['json:', 'text:', 'sha256:', ...keys].flatMap((key) => [
    key,
    `text:${key}`,
    `text:text:${key}`,
    [key],
  ]);
  const values = [...plain, ...texts, ...texts.map((text) => `json:${text}`), ...marked];
  const unlike = new Map(values.map((value) => [JSON.stringify(value), toConcurrencyKey(value)]));
  expect(new Set(unlike.values()).size).toBe(unlike.size);
  expect(unlike.size).toBeGreaterThan(80);
  for (const key of unlike.values()) expect(key).toMatch(/^.{1,200}$/);
});

test('plain text is its own key, and a longer one is known by its hash', () => {
  const plain = ['acme', '5', 'null', '{"a":1}', 'x'.repeat(200), 'sha', 'jsonish'];
  expect(plain.map(toConcurrencyKey)).toEqual(plain);
  expect(toConcurrencyKey('x'.repeat(201))).toMatch(/^sha256:[0-9a-f]{64}$/);
});

test('the order of the members of an object does not matter', () => {
  const key = toConcurrencyKey({ a: 1, b: [{ c: 2, d: 3 }] });
  expect(toConcurrencyKey({ b: [{ d: 3, c: 2 }], a: 1 })).toBe(key);
  expect(toConcurrencyKey({ b: [{ d: 2, c: 3 }], a: 1 })).not.toBe(key);
});
