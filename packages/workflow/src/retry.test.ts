import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resolveRetry, retryDelayMs } from './retry.ts';

const error = { code: 'NETWORK', message: 'no answer', retryable: true };
const policy = (options: Parameters<typeof resolveRetry>[0]) =>
  resolveRetry(options, { maxAttempts: 3, backoffMs: 5000 });

test('a node that says nothing gets the defaults of the host', () => {
  expect(policy(undefined)).toEqual({
    maxAttempts: 3,
    backoffMs: 5000,
    factor: 2,
    maxBackoffMs: 3_600_000,
    hasJitter: true,
    on: null,
  });
});

test('the pause doubles with every attempt up to its maximum', () => {
  const fixed = policy({ backoffMs: 1000, jitter: false, maxBackoffMs: 5000 });
  expect([1, 2, 3, 4, 50, 2000].map((attempt) => retryDelayMs(fixed, attempt, error, 0))).toEqual([
    1000, 2000, 4000, 5000, 5000, 5000,
  ]);
});

test('with jitter the pause lies between half and the whole', () => {
  const jittered = policy({ backoffMs: 1000 });
  expect(retryDelayMs(jittered, 1, error, 0)).toBe(500);
  expect(retryDelayMs(jittered, 1, error, 0.5)).toBe(750);
});

test('a service that asks for a longer pause gets it, up to the maximum', () => {
  const fixed = policy({ backoffMs: 1000, jitter: false, maxBackoffMs: 60_000 });
  expect(retryDelayMs(fixed, 1, { ...error, retryAfterMs: 30_000 }, 0)).toBe(30_000);
  expect(retryDelayMs(fixed, 1, { ...error, retryAfterMs: 10 }, 0)).toBe(1000);
  expect(retryDelayMs(fixed, 1, { ...error, retryAfterMs: 1e15 }, 0)).toBe(60_000);
});

test('the pause is always a whole number of milliseconds between 0 and the maximum', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 86_400_000 }),
      fc.double({ min: 1, max: 10, noNaN: true }),
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (backoffMs, factor, attempt, random) => {
        const delay = retryDelayMs(policy({ backoffMs, factor }), attempt, error, random);
        expect(Number.isInteger(delay) && delay >= 0 && delay <= 3_600_000).toBe(true);
      },
    ),
  );
});
