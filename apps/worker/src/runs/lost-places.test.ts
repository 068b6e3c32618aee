import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun, type TestWorker } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const RUNS = 60;
const KILLS = 6;

let platform: TestPlatform;
let echo: EchoServer;

beforeAll(async () => {
  echo = await startEcho((_call, response) => void setTimeout(() => response.end('{}'), 50));
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
});
afterAll(async () => {
  await platform.close();
  await echo.close();
});

const startWorker = () =>
  platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress, SWEEP_INTERVAL_MS: '200', ORG_ADMISSION_WINDOW: '8' });

/** A run at work with every kind of limit, in short steps so that a death meets each moment of it. */
function document() {
  const call = (id: string) => ({ id, type: 'http.request', config: { method: 'GET', url: echo.url } });
  return {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    settings: { concurrency: { limit: 2, key: '{% $trigger.input.key %}', whenFull: 'queue' } },
    nodes: [call('first'), { id: 'pause', type: 'delay', config: { for: 20 } }, call('second')],
  };
}

async function count(condition: string): Promise<number> {
  const { rows } = await platform.admin.pool.query(
    `SELECT count(*)::int AS count FROM app.workflow_runs WHERE ${condition}`,
  );
  return rows[0].count;
}

test('no place is lost, whenever workers are killed: all runs end and nothing is counted any more', {
  timeout: 180_000,
}, async () => {
  await platform.admin.pool.query('INSERT INTO app.org_run_limits (org_id, max_concurrent_runs) VALUES ($1, 4)', [
    platform.orgId,
  ]);
  const workflowId = await platform.publish(document());
  const workers: TestWorker[] = await Promise.all([startWorker(), startWorker()]);
  const runs: TestRun[] = [];
  for (let n = 0; n < RUNS; n += 1) runs.push(await platform.runOf(workflowId, { input: { key: n % 3 } }));
  let mostRunning = 0;
  for (let n = 0; n < KILLS; n += 1) {
    await delay(Math.random() * 600);
    mostRunning = Math.max(mostRunning, await count(`status = 'running'`));
    workers[n % 2]?.signal('SIGKILL');
    workers[n % 2] = await startWorker();
  }
  for (const run of runs) expect(await run.until(undefined, 120_000)).toMatchObject({ status: 'succeeded' });
  expect(mostRunning).toBeLessThanOrEqual(4);
  await eventually(
    async () => (await count('concurrency_key IS NOT NULL OR lease_until IS NOT NULL')) === 0,
    () => 'every place is given on',
  );
  const next = await platform.runOf(workflowId, { input: { key: 1 } });
  expect(await next.until()).toMatchObject({ status: 'succeeded', leaseToken: 2 }); // the delay gives the run up once
});
