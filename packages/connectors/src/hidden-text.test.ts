import { expect, test } from 'vitest';
import { findAction } from './catalog.ts';
import { hideInText } from './hidden-text.ts';
import { runAction } from './run-action.ts';
import type { Action } from './sdk.ts';
import { openMemoryFiles } from './testing.ts';

const action = findAction('http.request') as Action;
const secret = 's3cret-"quoted"-0123456789';
const input = {
  method: 'GET',
  url: 'http://x/',
  headers: { Authorization: `Bearer ${secret}`, 'x-on': '1', accept: 'a/b' },
};

test.each([
  [`It said: Bearer ${secret}!`, 'It said: [hidden]!'],
  [`It said: ${secret} and ${secret}`, 'It said: [hidden] and [hidden]'],
  [`It said: ${JSON.stringify({ a: secret })}`, 'It said: {"a":"[hidden]"}'],
  [`It said: ${secret.slice(0, 9)}…`, 'It said: [hidden]…'],
  ['It said: Bearer s3c…', 'It said: [hidden]…'],
  ['It said 1 time: a/b', 'It said 1 time: a/b'],
])('a message that repeats a credential hides it: %s', (text, expected) => {
  expect(hideInText(text, action, input)).toBe(expected);
});

test('an input that is none, and an action without credentials, change nothing', () => {
  for (const other of [null, 'text', { headers: 'x' }]) expect(hideInText('text', action, other)).toBe('text');
  const { hide: _none, ...plain } = action;
  expect(hideInText(secret, plain, input)).toBe(secret);
});

test('what a server repeats of a credential is in no error of a step (R6), wherever the excerpt is cut', async () => {
  for (let before = 0; before < 220; before += 1) {
    const body = new TextEncoder().encode(`${'.'.repeat(before)}${secret}${'.'.repeat(220)}`);
    const http = async () => ({ status: 500, headers: {}, body });
    const result = await runAction(action, { input, http, files: openMemoryFiles(), idempotencyKey: 'key' });
    const message = result.ok ? '' : result.error.message;
    expect(message).toMatch(/^The server answered 500: /);
    expect(message).not.toContain(secret.slice(0, 6));
  }
});
