import { expect, it } from 'vitest';
import { addResult, cancelFilter, kindsFor, retryFilter, sayCount } from './bulk.ts';

it('offers for a filter what its runs can still take', () => {
  expect(kindsFor(undefined)).toEqual(['cancel', 'retry']);
  expect(kindsFor('waiting')).toEqual(['cancel']);
  expect(kindsFor('cancelled')).toEqual(['retry']);
  expect(kindsFor('succeeded')).toEqual([]);
});

it('sends the filter that the list shows', () => {
  const filter = { workflowId: 'w', from: '2026-01-01T00:00:00.000Z', search: 'a' };
  expect(cancelFilter({ ...filter, status: 'running' })).toEqual({ ...filter, status: 'running' });
  expect(retryFilter({ ...filter, status: 'failed' })).toEqual({ ...filter, status: 'failed' });
  expect(retryFilter(filter)).toEqual({ ...filter, status: undefined });
});

it('says how many there are, and that a count has its end', () => {
  expect([1, 2_500, 10_000].map((count) => sayCount(count, 'en'))).toEqual([
    '1 run',
    '2,500 runs',
    '10,000 runs or more',
  ]);
});

it('sums up several calls, the same reasons together', () => {
  const first = addResult({ done: 0, skipped: [] }, { done: 2, skipped: [{ code: 'A', message: 'Why.', count: 1 }] });
  expect(addResult(first, { done: 3, skipped: [{ code: 'A', message: 'Why.', count: 4 }] })).toEqual({
    done: 5,
    skipped: [{ message: 'Why.', count: 5 }],
  });
});
