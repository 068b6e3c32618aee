import type { Standing } from '@millrace/shared/contracts/runs';
import { expect, it } from 'vitest';
import { retryAtOf, sayStanding } from './say-standing.ts';

const until = '2026-06-15T12:00:00.000Z';
const standing = (code: Standing['code'], more: Partial<Standing> = {}): Standing => ({
  ...{ code, message: 'A sentence.', until: null, stepIds: [] },
  ...more,
});

it('a run that is moving has nothing to explain; one that is not says why, and whose fault it is', () => {
  expect(sayStanding(standing('EXECUTING'))).toBeNull();
  expect(sayStanding(standing('NO_WORKER'))).toEqual({
    ...{ title: 'Waiting for a worker', tone: 'warning', message: 'A sentence.' },
  });
  expect(sayStanding(standing('WAITING_FOR_APPROVAL'))).toMatchObject({ tone: 'info', message: 'A sentence.' });
});

it('a time is counted down in the words of this app, and not told again in UTC', () => {
  expect(sayStanding(standing('WAITING_FOR_RETRY', { until }))).toMatchObject({ message: null });
});

it('a step counts down to its next attempt only when the time is certainly its own', () => {
  const waits = standing('WAITING_FOR_RETRY', { until, stepIds: ['a'] });
  expect(retryAtOf(waits, 'a')).toBe(until);
  expect(retryAtOf(waits, 'b')).toBeNull();
  expect(retryAtOf({ ...waits, stepIds: ['a', 'b'] }, 'a')).toBeNull();
  expect(retryAtOf(null, 'a')).toBeNull();
});
