import { describe, expect, test } from 'vitest';
import { assertSuccess, parseRetryAfter } from './http-status.ts';
import { ActionError } from './sdk.ts';

const NOW = Date.UTC(2026, 0, 1);

function failureOf(status: number, body = '', headers: Record<string, string> = {}): ActionError {
  try {
    assertSuccess({ status, headers, body: new TextEncoder().encode(body) }, NOW);
  } catch (error) {
    if (error instanceof ActionError) return error;
  }
  throw new Error(`status ${status} is no failure`);
}

describe('a status', () => {
  test.each([200, 201, 204, 299])('of success is no failure: %d', (status) => {
    expect(() => assertSuccess({ status, headers: {}, body: new Uint8Array() }, NOW)).not.toThrow();
  });

  test.each([408, 425, 429, 500, 502, 503, 504, 599])('worth a retry: %d', (status) => {
    expect(failureOf(status)).toMatchObject({ code: 'HTTP_STATUS', retryable: true });
  });

  test.each([300, 302, 304, 400, 401, 402, 403, 404, 409, 410, 422])('not worth a retry: %d', (status) => {
    expect(failureOf(status, '', { 'retry-after': '5' })).toMatchObject({
      code: 'HTTP_STATUS',
      retryable: false,
      retryAfterMs: undefined,
    });
  });
});

test('the message holds the status and the beginning of the answer on one short line', () => {
  expect(failureOf(404).message).toBe('The server answered 404 without a body.');
  expect(failureOf(404, 'no\r\n\tsuch\u0000 \u001b[31mthing').message).toBe(
    'The server answered 404: no such [31mthing',
  );
  const long = failureOf(500, '😀'.repeat(10_000)).message;
  expect(long.length).toBeLessThan(240);
  expect(long.isWellFormed()).toBe(true);
});

describe('Retry-After', () => {
  test.each([
    ['0', 0],
    ['5', 5000],
    [' 120 ', 120_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['7200', 7_200_000],
    ['999999999999', 604_800_000],
    ['9'.repeat(400), 604_800_000],
    ['Fri, 01 Jan 2100 00:00:00 GMT', 604_800_000],
  ])('%s is a pause of %d ms', (value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });

  test.each([undefined, '', '-5', '1.5', 'soon', '1e3', '0x10', 'Thu, 99 Foo 2026'])('%s is ignored', (value) => {
    expect(parseRetryAfter(value, NOW)).toBeUndefined();
  });

  test('reaches the failure', () => {
    expect(failureOf(429, '', { 'retry-after': '7' }).retryAfterMs).toBe(7000);
    expect(failureOf(503, '', { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }).retryAfterMs).toBe(60_000);
  });
});
