import { makeStuckHookRuns } from '@millrace/db/hooks';
import { getRunLimits } from '@millrace/shared/contracts/run-limits';
import { createRun, retryRun } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { deliver, publishHook, runsOf } from '../hooks/testing.ts';
import { addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';

const WINDOW = 2;
let api: TestApi;

beforeAll(async () => {
  api = await openTestApi({ ORG_ADMISSION_WINDOW: WINDOW, ORG_MAX_QUEUED_RUNS: 900 });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => api.close());

interface Flow {
  orgId: string;
  owner: Person;
  workflowId: string;
}

async function publish(): Promise<Flow> {
  const { orgId, owner } = await addOrganization(api);
  const dsl = {
    version: 'v2',
    trigger: { type: 'trigger.manual' },
    nodes: [{ id: 'one', type: 'transform', config: { value: 1 } }],
  };
  const as = { token: owner.token, params: { orgId } };
  const { body } = await call(api, workflows.createWorkflow, { ...as, body: { name: 'Flow', dsl } });
  const workflowId = body.workflow.id;
  await call(api, workflows.publishWorkflow, { token: owner.token, params: { orgId, workflowId } });
  return { orgId, owner, workflowId };
}

const start = ({ orgId, owner, workflowId }: Flow) =>
  call(api, createRun, { token: owner.token, params: { orgId, workflowId }, body: {} });

function limitQueue(orgId: string, most: number) {
  return queryAsAdmin(
    api,
    `INSERT INTO app.org_run_limits (org_id, max_queued_runs, max_concurrent_runs, weight) VALUES ($1, $2, 7, 3)
     ON CONFLICT (org_id) DO UPDATE SET max_queued_runs = $2`,
    [orgId, most],
  );
}

it('shows the limits and what they count, to members, with the defaults where there are none', async () => {
  const flow = await publish();
  for (let n = 0; n < WINDOW + 3; n += 1) expect((await start(flow)).status).toBe(201);
  const read = () => call(api, getRunLimits, { token: flow.owner.token, params: { orgId: flow.orgId } });
  expect((await read()).body).toEqual({
    limits: { maxConcurrentRuns: null, maxQueuedRuns: 900, weight: 1 },
    ...{ running: 0, queued: WINDOW + 3, held: 3 },
  });
  await limitQueue(flow.orgId, 50);
  expect((await read()).body.limits).toEqual({ maxConcurrentRuns: 7, maxQueuedRuns: 50, weight: 3 });
});

it('wakes nobody for a held run: the queue holds a window of jobs', async () => {
  const before = (await api.deps.queue.countJobs()).waiting ?? 0;
  const flow = await publish();
  for (let n = 0; n < WINDOW + 5; n += 1) expect((await start(flow)).status).toBe(201);
  expect((await api.deps.queue.countJobs()).waiting).toBe(before + WINDOW);
});

it('beyond its queued runs an organization is told 429 with what to do, and nothing is stored; also for retries', async () => {
  const flow = await publish();
  await limitQueue(flow.orgId, 4);
  const answers = await Promise.all(Array.from({ length: 10 }, () => start(flow)));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(6);
  const message = expect.stringContaining('as many queued runs as it may');
  expect(refused[0]?.body).toMatchObject({ code: 'RUN_LIMIT_EXCEEDED', message });
  const { orgId, owner, workflowId } = flow;
  const runs = await queryAsAdmin<{ id: string }>(
    api,
    'SELECT id FROM app.workflow_runs WHERE org_id = $1 ORDER BY id',
    [orgId],
  );
  expect(runs).toHaveLength(4);
  const runId = runs[0]?.id ?? '';
  await queryAsAdmin(
    api,
    `UPDATE app.workflow_runs SET status = 'failed', finished_at = now(), next_sweep_at = NULL WHERE id = $1`,
    [runId],
  );
  expect((await start(flow)).status).toBe(201);
  const retry = await call(api, retryRun, { token: owner.token, params: { orgId, workflowId, runId } });
  expect(retry.status).toBe(429);
});

it('a webhook of a full organization answers 429, and what it had accepted becomes a run once there is room', async () => {
  const hook = await publishHook(api);
  await limitQueue(hook.orgId, 1);
  expect((await deliver(hook.url)).status).toBe(202);
  expect((await deliver(hook.url)).status).toBe(202); // stored; only now this process learns that the queue is full
  expect((await deliver(hook.url)).status).toBe(429);
  expect(await runsOf(api, hook)).toHaveLength(1);
  await limitQueue(hook.orgId, 10);
  await queryAsAdmin(
    api,
    `UPDATE app.hook_deliveries SET next_sweep_at = now() - interval '1 s' WHERE next_sweep_at IS NOT NULL`,
    [],
  );
  await makeStuckHookRuns(api.deps.db, 100, async () => {});
  expect(await runsOf(api, hook)).toHaveLength(2);
});
