import type { Step } from '@millrace/shared/contracts/runs';
import { expect, it } from 'vitest';
import { liveRunStatus, sayEntry, withLiveStatuses } from './timeline.ts';

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

it('a step that was not read yet is there as soon as the timeline tells of it', () => {
  const entries = [{ id: '1.0', type: 'step.started', stepId: 'new', at }];
  const shown = withLiveStatuses([step('a', 'succeeded')], entries);
  expect(shown.map(({ stepId, status, isRead }) => [stepId, status, isRead])).toEqual([
    ['a', 'succeeded', true],
    ['new', 'running', false],
  ]);
});

it('a run has ended when the timeline says so, read or not', () => {
  const entry = (type: string) => ({ id: '1.0', type, at });
  expect(liveRunStatus('running', [entry('step.started'), entry('run.failed')])).toBe('failed');
  expect(liveRunStatus('waiting', [entry('run.cancel_requested')])).toBe('waiting');
});

it('an entry is said in words, also of a kind that this app does not know', () => {
  expect(sayEntry({ id: '1', type: 'step.succeeded', stepId: 'fetch', at })).toBe('fetch: succeeded');
  expect(sayEntry({ id: '1', type: 'run.cancel_requested', at })).toBe('Run cancel requested');
  const late = { id: '1', type: 'step.late_result', stepId: 'fetch', attempt: 1, at };
  expect(sayEntry(late)).toBe('fetch: result came too late and was dropped');
  expect(withLiveStatuses([step('fetch', 'cancelled')], [late])).toMatchObject([{ status: 'cancelled' }]);
});
