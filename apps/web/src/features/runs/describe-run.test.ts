import { expect, it } from 'vitest';
import { describeRun } from './describe-run.ts';

const run = { version: 3, triggerType: 'trigger.cron', startedAt: null, finishedAt: null, error: null };

it('a run is described by its version, its trigger, and how it went once that is known', () => {
  expect(describeRun(run)).toBe('v3 · cron');
  const ended = { ...run, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01.500Z' };
  expect(describeRun({ ...ended, error: { code: 'X', message: 'It broke.' } })).toBe('v3 · cron · 1.5 s · It broke.');
});
