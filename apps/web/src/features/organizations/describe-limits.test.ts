import { expect, it } from 'vitest';
import { describeLimits } from './describe-limits.ts';

const limits = { maxConcurrentRuns: 10, maxQueuedRuns: 10_000, weight: 2 };

it('limits are shown beside what is used of them', () => {
  const [running, queued, held, share] = describeLimits({ limits, running: 5, queued: 2_500, held: 3 }, 'en');
  expect(running).toMatchObject({ value: '5', note: 'of 10 at once', used: 0.5 });
  expect(queued).toMatchObject({ value: '2,500', note: 'of 10,000; more are refused', used: 0.25 });
  expect(held?.value).toBe('3');
  expect(share?.value).toBe('2×');
});

it('without a limit there is no part of it that is used, and never more than all of it', () => {
  const [free] = describeLimits({ limits: { ...limits, maxConcurrentRuns: null }, running: 5, queued: 0, held: 0 });
  expect(free).not.toHaveProperty('used');
  const [full, none] = describeLimits({ limits: { ...limits, maxQueuedRuns: 0 }, running: 12, queued: 0, held: 0 });
  expect([full?.used, none?.used]).toEqual([1, 1]);
});
