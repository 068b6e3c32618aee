import { expect, it } from 'vitest';
import { toJsonText, UnstorableJsonError } from './json-text.ts';

it('tells none from JSON null', () => {
  expect(toJsonText(undefined)).toBeNull();
  expect(toJsonText(null)).toBe('null');
  expect(toJsonText({ a: undefined, b: null })).toBe('{"b":null}');
});

it.each([
  ['a NUL', 'a\u0000b'],
  ['a NUL after a backslash', '\\\u0000'],
  ['a NUL in a key', { 'k\u0000': 1 }],
  ['half a pair', '\ud83d'],
  ['the other half', ['\ude00']],
  ['a value without JSON form', () => 1],
])('refuses %s', (_name, value) => {
  expect(() => toJsonText(value)).toThrow(UnstorableJsonError);
});

it.each(['\\u0000', '\\\\u0000', '😀', '\u0001', '\\ud800', '\ufffd'])('keeps %j', (value) => {
  expect(JSON.parse(toJsonText(value) ?? '')).toBe(value);
});
