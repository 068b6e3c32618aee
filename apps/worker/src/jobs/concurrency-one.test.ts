import { signalRun } from '@millrace/db/run-signals';
import { withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform, type TestRun } from '../testing.ts';
import { type EchoServer, startEcho } from '../testing-echo.ts';

const OF_EACH_KIND = 200;
const MEASURED = 50;

let platform: TestPlatform;
let echo: EchoServer;

/** `/busy` is answered with 503, anything else at once. One worker that executes one run at a time. */
beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
  echo = await startEcho((call, response) => {
    response.statusCode = call.path === '/busy' ? 503 : 200;
    response.end('ok');
  });
  await platform.startWorker({ EGRESS_ALLOW_CIDRS: echo.egress, WORKFLOW_QUEUE_CONCURRENCY: '1' });
}, 60_000);
afterAll(async () => {
  await platform.close();
  await echo.close();
});

function publish(...nodes: object[]): Promise<string> {
  return platform.publish({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
}

function get(path: string, rest: object = {}): object {
  return { id: 'get', type: 'http.request', config: { method: 'GET', url: `${echo.url}${path}` }, ...rest };
}

const ASK = { id: 'ask', type: 'approval', config: { by: 'member' } };
const RETRY = { maxAttempts: 2, backoffMs: 3_600_000, jitter: false };

/** One workflow for each thing that a run can wait for: a time, a person, a call, a retry, another run that waits. */
async function publishKinds(): Promise<Record<string, string>> {
  const asked = await publish(get('/first'), ASK);
  return {
    delay: await publish(get('/first'), { id: 'nap', type: 'delay', config: { for: 'PT1H' } }),
    approval: asked,
    call: await publish(get('/first'), { id: 'wait', type: 'wait.webhook', config: {} }),
    retry: await publish(get('/busy', { retry: RETRY })),
    child: await publish({ id: 'child', type: 'subworkflow', config: { workflowId: asked } }),
  };
}

async function count(condition: string): Promise<number> {
  const { rows } = await platform.admin.pool.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM app.workflow_runs WHERE org_id = $1 AND ${condition}`,
    [platform.orgId],
  );
  return rows[0]?.count ?? 0;
}

/** From the row of a run to its end, one run after the other: what one more run takes that nothing else holds up. */
async function medianMs(workflowId: string): Promise<number> {
  const runs: TestRun[] = [];
  for (let number = 0; number < MEASURED; number += 1) {
    const run = await platform.runOf(workflowId);
    expect(await run.until()).toMatchObject({ status: 'succeeded' });
    runs.push(run);
  }
  const { rows } = await platform.admin.pool.query<{ ms: number }>(
    `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)::float8) * 1000 AS ms
     FROM app.workflow_runs WHERE id = ANY($1)`,
    [runs.map(({ runId }) => runId)],
  );
  return rows[0]?.ms ?? Number.POSITIVE_INFINITY;
}

const PARKED = `finished_at IS NULL AND lease_until IS NULL
  AND (status = 'waiting' OR status = 'queued' AND next_attempt_at > now() + interval '50 min')`;

test('a thousand runs that wait delay no other run of a worker that executes one at a time', {
  timeout: 180_000,
}, async () => {
  const quick = await publish(get('/quick'), { id: 'value', type: 'transform', config: { value: 1 } });
  await medianMs(quick);
  const beforeMs = await medianMs(quick);
  const kinds = Object.entries(await publishKinds());
  const waiting: Record<string, TestRun[]> = {};
  for (const [kind, workflowId] of kinds)
    waiting[kind] = await Promise.all(Array.from({ length: OF_EACH_KIND }, () => platform.runOf(workflowId)));
  // Those that wait for another run have started it, and it waits too.
  const parked = (kinds.length + 1) * OF_EACH_KIND;
  await eventually(
    async () => (await count(PARKED)) === parked,
    () => `${parked} runs wait`,
    120_000,
  );
  // A sleep or retry within the hour has a delayed wake-up; nothing else of them may stand before another run.
  let jobs: Record<string, number> = {};
  await eventually(
    async () => {
      jobs = await platform.queue.countJobs();
      return jobs.waiting === 0 && jobs.active === 0;
    },
    () => `no wake-up is left: ${JSON.stringify(jobs)}`,
  );
  expect(jobs.delayed).toBeLessThanOrEqual(2 * OF_EACH_KIND);
  const afterMs = await medianMs(quick);
  expect(await count(PARKED)).toBe(parked);
  // Held up by even one of them, a run would take as long as that one waits; this is room for a busy machine.
  expect(afterMs).toBeLessThan(3 * beforeMs + 50);
  await goOn(waiting.approval?.[0]);
  reportFigure(
    'Waiting holds no worker',
    `with ${parked} waiting runs and concurrency 1 a run takes ${Math.round(afterMs)} ms, without them ${Math.round(beforeMs)} ms (medians of ${MEASURED})`,
  );
});

/** What waited so long has its turn like any other run. */
async function goOn(run: TestRun | undefined): Promise<void> {
  if (!run) throw new Error('no run waits for an approval');
  const payload = { decision: 'approved', value: null, note: null, by: newId() };
  await withOrg(platform.api, platform.orgId, (tx) =>
    signalRun(tx, run.runId, { type: 'decide', stepKey: 'ask', payload }),
  );
  await platform.queue.wakeRun({ orgId: platform.orgId, runId: run.runId });
  expect(await run.until()).toMatchObject({ status: 'succeeded' });
}
