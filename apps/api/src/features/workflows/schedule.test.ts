import { listWorkflowRuns } from '@millrace/shared/contracts/runs';
import * as contracts from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

const NODES = [{ id: 'one', type: 'transform', config: { value: 1 }, retry: { maxAttempts: 7, backoffMs: 10 } }];
const cron = (expression: string, more: object = {}) => ({
  ...{ version: 'v2', nodes: NODES, trigger: { type: 'trigger.cron', config: { expression, ...more } } },
});
const MANUAL = { version: 'v2', nodes: NODES, trigger: { type: 'trigger.manual' } };
const YEARLY = cron('30 2 1 1 *', { timeZone: 'Europe/Berlin', catchUp: 'all' });

let api: TestApi;
let admin: pg.Client;
let owner: TestUser;
let orgId: string;

beforeAll(async () => {
  api = await openTestApi();
  admin = new pg.Client({ connectionString: api.adminUrl });
  await admin.connect();
  owner = await signUpUser(api);
  orgId = await createOrg(api, owner);
});
afterAll(async () => {
  await admin.end();
  await api.close();
});

const as = (workflowId: string) => ({ params: { orgId, workflowId }, token: owner.token });

async function create(dsl: object): Promise<string> {
  const body = { name: `Workflow ${newId()}`, dsl };
  const created = await call(api, contracts.createWorkflow, { params: { orgId }, token: owner.token, body });
  expect(created.body.workflow.nextFireAt).toBeNull();
  return created.body.workflow.id;
}

async function publish(workflowId: string): Promise<string | null> {
  const { status, body } = await call(api, contracts.publishWorkflow, as(workflowId));
  expect(status).toBe(200);
  return body.workflow.nextFireAt;
}

async function save(workflowId: string, dsl: object): Promise<void> {
  const { body } = await call(api, contracts.getWorkflow, as(workflowId));
  await call(api, contracts.updateWorkflow, { ...as(workflowId), body: { dsl, revision: body.workflow.revision } });
}

async function readSchedules(workflowId: string): Promise<Record<string, unknown>[]> {
  const { rows } = await admin.query('SELECT * FROM app.workflow_schedules WHERE workflow_id = $1', [workflowId]);
  return rows;
}

async function nextFires(workflowId: string, query: Record<string, string> = {}): Promise<string[]> {
  const { status, body } = await call(api, contracts.listNextFires, { ...as(workflowId), query });
  expect(status).toBe(200);
  return body.nextFires;
}

it('publishing starts a schedule, which the workflow, the list and its next times show', async () => {
  const id = await create(YEARLY);
  const nextFireAt = await publish(id);
  expect(nextFireAt).toMatch(/^\d{4}-01-01T01:30:00.000Z$/);
  expect(await readSchedules(id)).toMatchObject([
    {
      ...{ org_id: orgId, version: 1, expression: '30 2 1 1 *', time_zone: 'Europe/Berlin', catch_up: 'all' },
      ...{ max_attempts: 7, last_fired_at: null },
    },
  ]);
  const list = await call(api, contracts.listWorkflows, { params: { orgId }, token: owner.token });
  expect(list.body.workflows.find((workflow) => workflow.id === id)?.nextFireAt).toBe(nextFireAt);
  const year = Number(nextFireAt?.slice(0, 4));
  const expected = (count: number) => Array.from({ length: count }, (_, n) => `${year + n}-01-01T01:30:00.000Z`);
  expect(await nextFires(id)).toEqual(expected(5));
  expect(await nextFires(id, { count: '100' })).toEqual(expected(100));
  for (const count of ['0', '101', '-1', 'x'])
    expect((await call(api, contracts.listNextFires, { ...as(id), query: { count } })).status).toBe(400);
  expect((await call(api, contracts.listNextFires, as(newId()))).status).toBe(404);
});

it('a bad expression and a bad time zone are refused when publishing, each with its path', async () => {
  const id = await create(cron('61 * * * *', { timeZone: 'Mars/Olympus' }));
  const { status, body } = await call(api, contracts.publishWorkflow, as(id));
  expect([status, body.code]).toEqual([422, 'WORKFLOW_INVALID']);
  expect(body.details).toMatchObject([
    { path: 'trigger.config.expression', message: expect.stringContaining('61') },
    { path: 'trigger.config.timeZone', message: expect.stringContaining('time zone') },
  ]);
  expect(await readSchedules(id)).toEqual([]);
});

it('disabling stops the schedule, and enabling goes on from now without what passed meanwhile', async () => {
  const id = await create(YEARLY);
  const nextFireAt = await publish(id);
  const disabled = await call(api, contracts.disableWorkflow, as(id));
  expect(disabled.body.workflow).toMatchObject({ isEnabled: false, nextFireAt: null });
  expect([await readSchedules(id), await nextFires(id)]).toEqual([[], []]);
  expect(await publish(id)).toBeNull();
  const enabled = await call(api, contracts.enableWorkflow, as(id));
  expect(enabled.body.workflow).toMatchObject({ isEnabled: true, nextFireAt });
  expect(await readSchedules(id)).toMatchObject([{ version: 2, max_attempts: 7 }]);
});

it('publishing again keeps a tick that is due, follows a new expression, and ends with another trigger', async () => {
  const id = await create(YEARLY);
  await publish(id);
  await admin.query(`UPDATE app.workflow_schedules SET next_fire_at = '2020-01-01T01:30Z' WHERE workflow_id = $1`, [
    id,
  ]);
  expect(await publish(id)).toBe('2020-01-01T01:30:00.000Z');
  await save(id, cron('30 2 1 2 *'));
  expect(await publish(id)).toMatch(/-02-01T02:30:00.000Z$/);
  await save(id, MANUAL);
  expect(await publish(id)).toBeNull();
  expect(await readSchedules(id)).toEqual([]);
});

it('a draft changes nothing before it is published, and deleting the workflow ends its schedule', async () => {
  const id = await create(YEARLY);
  const nextFireAt = await publish(id);
  await save(id, cron('* * * * *'));
  expect((await call(api, contracts.getWorkflow, as(id))).body.workflow.nextFireAt).toBe(nextFireAt);
  expect((await call(api, contracts.deleteWorkflow, as(id))).status).toBe(200);
  expect(await readSchedules(id)).toEqual([]);
});

it('a schedule published while the loop sleeps fires within a second of its time', async () => {
  api.deps.scheduler.start();
  const id = await create(cron('* * * * * *', { timeZone: 'Asia/Tokyo' }));
  const first = await publish(id);
  const deadline = performance.now() + 20_000;
  const read = async () => (await call(api, listWorkflowRuns, as(id))).body.runs;
  while ((await read()).length === 0) {
    if (performance.now() > deadline) throw new Error('no run');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await call(api, contracts.disableWorkflow, as(id));
  const run = (await read()).at(-1);
  expect(run).toMatchObject({ triggerType: 'trigger.cron', requestedByUserId: null, version: 1, maxAttempts: 7 });
  expect(run?.input).toEqual({ scheduledAt: first, timeZone: 'Asia/Tokyo', expression: '* * * * * *' });
  expect(Date.parse(run?.createdAt ?? '') - Date.parse(first ?? '')).toBeLessThan(1_000);
  expect(api.logLines.find((line) => line.event === 'workflow_run_enqueued')).toMatchObject({
    ...{ userId: null, orgId, workflowId: id, runId: run?.id },
  });
});
