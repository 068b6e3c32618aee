import { expect, test } from 'vitest';
import { workflowRunCancelled, workflowRunStarted } from './events.ts';
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
