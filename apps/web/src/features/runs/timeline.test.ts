import type { Step } from '@millrace/shared/contracts/runs';
import { expect, it } from 'vitest';
import { sayEntry, withLiveStatuses } from './timeline.ts';

const step = (stepId: string, status: Step['status']): Step => ({
  ...{ stepId, status, type: 'transform', attempt: 1, input: null, output: null },
  ...{ error: null, startedAt: null, finishedAt: null },
});
const at = '2026-01-01T00:00:00Z';

it('a step shows the latest that the timeline told of it, and else what was read', () => {
  const entries = [
    { id: '1.0', type: 'step.started', stepId: 'a', at },
    { id: '2.0', type: 'step.succeeded', stepId: 'a', at },
    { id: '2.1', type: 'run.something_new', at },
  ];
  const shown = withLiveStatuses([step('a', 'pending'), step('b', 'failed')], entries);
  expect(shown.map(({ status }) => status)).toEqual(['succeeded', 'failed']);
});

it('an entry is said in words, also of a kind that this app does not know', () => {
  expect(sayEntry({ id: '1', type: 'step.succeeded', stepId: 'fetch', at })).toBe('fetch: succeeded');
  expect(sayEntry({ id: '1', type: 'run.cancel_requested', at })).toBe('Run cancel requested');
});
