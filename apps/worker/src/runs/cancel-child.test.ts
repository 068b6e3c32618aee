import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cancelRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';

let platform: TestPlatform;
let worker: TestWorker;

beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  worker = await platform.startWorker();
}, 60_000);
afterAll(() => platform.close());

const FOREVER = '{% ($f := function($n) { $f($n + 1) }; $f(0)) %}';

function evaluate(value: string): Promise<TestRun> {
  const nodes = [{ id: 'value', type: 'transform', config: { value } }];
  return platform.run({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
}

/** The worker starts no other processes than those that evaluate expressions. */
function childrenOf(parent: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const processes = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return processes.flatMap(([pid = 0, ppid]) => (ppid === parent ? [pid] : []));
}

/** Linux tells it in hundredths of a second: what it worked itself, and what the kernel did for it. */
function workedMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

test('a cancel ends the child in which an expression is evaluated for the run', async () => {
  expect(await (await evaluate('{% 1 + 1 %}')).until()).toMatchObject({ status: 'succeeded', output: 2 });
  const children = childrenOf(worker.pid);
  expect(children).toHaveLength(1);
  const [pid = 0] = children;
  const idle = workedMs(pid);
  const run = await evaluate(FOREVER);
  // Any other evaluation takes a tenth of a millisecond.
  await eventually(
    () => workedMs(pid) - idle >= 20,
    () => 'the child is at work',
  );
  const askedAt = performance.now();
  const entry = { type: 'run.cancel_requested' };
  expect(await withOrg(platform.api, platform.orgId, (tx) => cancelRun(tx, run.runId, entry))).toBe('signalled');
  await platform.queue.ringOwner(run.runId);
  await run.until(['cancelled'], 1_000);
  expect(performance.now() - askedAt).toBeLessThan(1_000);
  // Long before it would be killed for taking too long, which would also give its work to another child.
  await eventually(
    () => !childrenOf(worker.pid).includes(pid),
    () => `the process ${pid} is gone`,
    300,
  );
  expect(childrenOf(worker.pid)).toEqual([]);
  expect(await run.row()).toMatchObject({ status: 'cancelled', output: null, error: null, leaseToken: 1 });
  expect(await run.steps()).toMatchObject({ value: { status: 'cancelled', error: null } });
  expect(await worker.trace(run.runId)).toEqual(['workflow_run_started', 'workflow_run_cancelled']);
  expect(await (await evaluate('{% 2 + 2 %}')).until()).toMatchObject({ status: 'succeeded', output: 4 });
  expect(childrenOf(worker.pid)).not.toContain(pid);
  expect(worker.isAlive()).toBe(true);
});
