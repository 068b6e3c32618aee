import { expect, test } from 'vitest';
import { hideCredentials, isHidden, revealCredentials } from './hidden-input.ts';

const input = {
  method: 'POST',
  url: 'https://api.example.com/',
  headers: {
    Authorization: 'Bearer s3cret',
    'X-Api-Key': 's3cret',
    Accept: 'text/plain',
    'content-type': 'text/plain',
  },
  body: { a: [1, null, { b: 's' }] },
};
const hidden = { ...input, headers: { ...input.headers, Authorization: '[hidden]', 'X-Api-Key': '[hidden]' } };

test('hides every header of an HTTP request that may be a credential, and nothing else (R6)', () => {
  expect(hideCredentials('http.request', input)).toEqual(hidden);
  expect(isHidden(hidden)).toBe(true);
  expect(isHidden(input)).toBe(false);
});

test('leaves inputs alone that have no headers, are none, or belong to steps without credentials', () => {
  for (const other of [{ url: 'x' }, { headers: null }, { headers: ['a'] }, null, 'text', 1])
    expect(hideCredentials('http.request', other)).toEqual(other);
  expect(hideCredentials('transform', input)).toBe(input);
});

test('reveals exactly what was hidden: all else stays as it was stored', () => {
  const fresh = {
    ...input,
    url: 'https://changed.example.com/',
    headers: { ...input.headers, Authorization: 'Bearer new' },
  };
  const revealed = revealCredentials(hidden, fresh);
  expect(revealed).toEqual({ ...input, headers: { ...input.headers, Authorization: 'Bearer new' } });
  expect(revealCredentials(hidden, { headers: {} })).toEqual(hidden);
  expect(revealCredentials(hidden, null)).toEqual(hidden);
});

test('keeps a key that would reach for the prototype a key', () => {
  const stored = JSON.parse('{"headers":{"__proto__":"[hidden]"}}');
  const revealed = revealCredentials(stored, JSON.parse('{"headers":{"__proto__":"x"}}'));
  expect(JSON.stringify(revealed)).toBe('{"headers":{"__proto__":"x"}}');
  expect(Object.getPrototypeOf(revealed.headers)).toBe(Object.prototype);
});
