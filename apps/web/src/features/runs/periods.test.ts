import { expect, it } from 'vitest';
import { startOf } from './periods.ts';

it('a period begins so long ago, to the minute, and "any time" never', () => {
  const now = Date.parse('2026-06-15T12:34:56Z');
  expect(startOf('hour', now)).toBe('2026-06-15T11:34:00.000Z');
  expect(startOf('week', now)).toBe('2026-06-08T12:34:00.000Z');
  expect(startOf('all', now)).toBeUndefined();
});
