import { expect, test } from 'vitest';
import { eventually, startPlatform } from '../testing.ts';

const COUNT = 4_000;

test('SIGTERM in a long loop of pure steps: the worker ends at once and the next one goes on where it was', {
  timeout: 120_000,
}, async () => {
  const platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  try {
    // Evaluated one by one in a child process: seconds of work without a call to anybody.
    const body = { nodes: [{ id: 'one', type: 'transform', config: { value: '{% $sum([1..20]) + $itemIndex %}' } }] };
    const nodes = [{ id: 'each', type: 'foreach', config: { items: `{% [1..${COUNT}] %}`, body } }];
    const worker = await platform.startWorker();
    const run = await platform.run({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
    const countSteps = async () => {
      const { rows } = await platform.admin.pool.query(
        'SELECT count(*)::integer AS count FROM app.workflow_run_steps WHERE run_id = $1',
        [run.runId],
      );
      return rows[0].count as number;
    };
    await eventually(
      async () => (await countSteps()) > 0,
      () => 'a part of the loop to be recorded',
    );
    worker.signal('SIGTERM');
    expect(await worker.ended()).toBe(0);
    expect(await run.row()).toMatchObject({ status: 'running', leaseToken: 1, lostClaims: 0 });
    const done = await countSteps();
    expect(done).toBeLessThan(COUNT);
    await platform.startWorker();
    const row = await run.until(['succeeded'], 60_000);
    expect(row).toMatchObject({ leaseToken: 2, lostClaims: 0, attemptCount: 1 });
    expect(row.output).toEqual(Array.from({ length: COUNT }, (_, index) => 210 + index));
  } finally {
    await platform.close();
  }
});
