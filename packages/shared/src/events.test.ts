import { expect, test } from 'vitest';
import {
  workflowRunCancelled,
  workflowRunFailed,
  workflowRunRetried,
  workflowRunStarted,
  workflowRunSucceeded,
  workflowRunWaiting,
} from './events.ts';
import { createLog } from './log.ts';
import { registry } from './metrics.ts';

const run = { orgId: 'o', workflowId: 'w', runId: 'r', attemptCount: 1 };

async function seriesOf(name: string): Promise<string[]> {
  return (await registry.getSingleMetricAsString(name)).split('\n').filter((line) => !line.startsWith('#'));
}

test('an event is counted also when the level of the log leaves its line out', async () => {
  workflowRunCancelled(createLog('test', 'silent'), { ...run, durationMs: 1500, ageMs: 70_000 });
  expect(await seriesOf('millrace_runs_finished_total')).toContain(
    'millrace_runs_finished_total{status="cancelled"} 1',
  );
  expect(await seriesOf('millrace_run_duration_seconds')).toContain(
    'millrace_run_duration_seconds_sum{status="cancelled"} 1.5',
  );
  expect(await seriesOf('millrace_run_age_at_end_seconds')).toContain(
    'millrace_run_age_at_end_seconds_sum{status="cancelled"} 70',
  );
});

test('a run that goes on after a pause is not counted as started once more', async () => {
  const log = createLog('test', 'silent');
  workflowRunStarted(log, { ...run, queuedMs: 20 });
  workflowRunStarted(log, { ...run, queuedMs: null });
  expect(await seriesOf('millrace_runs_started_total')).toEqual(['millrace_runs_started_total 1']);
  expect(await seriesOf('millrace_run_start_delay_seconds')).toContain('millrace_run_start_delay_seconds_count 1');
});

test('every event of a run has all fields that these events have', () => {
  const lines: object[] = [];
  const log = createLog('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  const ended = { ...run, durationMs: 1, ageMs: 2 };
  const nextAttemptAt = '2026-01-02T03:04:05.000Z';
  workflowRunStarted(log, { ...run, queuedMs: 1 });
  workflowRunRetried(log, { ...run, errorCode: 'NETWORK', nextAttemptAt, stepId: 'a' });
  workflowRunWaiting(log, { ...run, nextAttemptAt: null });
  workflowRunSucceeded(log, ended);
  workflowRunFailed(log, { ...ended, errorCode: 'X' });
  workflowRunCancelled(log, ended);
  const said = (durationMs: number | null, errorCode: string | null, next: string | null) => ({
    ...run,
    ...{ durationMs, errorCode, nextAttemptAt: next },
  });
  expect(lines).toMatchObject([
    said(null, null, null),
    said(null, 'NETWORK', nextAttemptAt),
    said(null, null, null),
    said(1, null, null),
    said(1, 'X', null),
    said(1, null, null),
  ]);
});
