import { eventually, type TestRedis } from '@millrace/queue/testing';
import { createRun, getRun, listRuns, listWorkflowRuns } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, type TestApi, type TestUser } from '../../testing.ts';
import { openRunScene, publishFlow, type RunScene } from './testing.ts';

const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: 1 }, retry: { maxAttempts: 7, backoffMs: 10 } }],
};

let scene: RunScene;
let api: TestApi;
let redis: TestRedis;
let admin: pg.Client;
let owner: TestUser;
let orgId: string;
let workflowId: string;

beforeAll(async () => {
  scene = await openRunScene();
  ({ api, redis, admin, owner, orgId } = scene);
  workflowId = await publishFlow(scene, DSL);
});
afterAll(() => scene.close());

const as = (id: string) => ({ params: { orgId, workflowId: id }, token: owner.token });

async function createWorkflow(): Promise<string> {
  const body = { name: `Workflow ${newId()}`, dsl: DSL };
  const created = await call(api, workflows.createWorkflow, { params: { orgId }, token: owner.token, body });
  return created.body.workflow.id;
}

function start(body: object = { input: { n: 1 } }, key?: string) {
  return call(api, createRun, { ...as(workflowId), body, headers: { ...(key && { 'idempotency-key': key }) } });
}

/** As if the organization had reached its limit of running runs: those that come now are held. */
async function holdRuns(): Promise<void> {
  await admin.query('INSERT INTO app.org_run_limits (org_id, max_concurrent_runs) VALUES ($1, 1)', [orgId]);
  const { body } = await start({ input: 'held' });
  const { rows } = await admin.query('SELECT held_by FROM app.workflow_runs WHERE id = $1', [body.run.id]);
  expect(rows).toEqual([{ held_by: 'organization' }]);
}

async function countRuns(): Promise<number> {
  const { rows } = await admin.query('SELECT count(*)::int AS count FROM app.workflow_runs');
  return rows[0].count;
}

it('answers 201 with the queued run, pinned to the published version, and logs that it was enqueued', async () => {
  const { status, body } = await start();
  expect(status).toBe(201);
  expect(body.run).toMatchObject({
    organizationId: orgId,
    workflowId,
    version: 1,
    triggerType: 'trigger.manual',
    status: 'queued',
    attemptCount: 0,
    maxAttempts: 7,
    requestedByUserId: owner.id,
    input: { n: 1 },
    output: null,
    error: null,
  });
  const events = api.logLines.filter((line) => line.event === 'workflow_run_enqueued' && line.runId === body.run.id);
  expect(events).toMatchObject([{ userId: owner.id, orgId, workflowId, requestId: expect.any(String) }]);
  const read = await call(api, getRun, { params: { orgId, workflowId, runId: body.run.id }, token: owner.token });
  expect(read.body).toEqual({ run: body.run, steps: [] });
});

it('refuses to run what is unpublished or disabled, with a sentence that says what to do', async () => {
  const id = await createWorkflow();
  const unpublished = await call(api, createRun, { ...as(id), body: {} });
  expect([unpublished.status, unpublished.body.message]).toEqual([409, 'Publish the workflow before running it.']);
  await call(api, workflows.publishWorkflow, as(id));
  await call(api, workflows.disableWorkflow, as(id));
  const disabled = await call(api, createRun, { ...as(id), body: {} });
  expect([disabled.status, disabled.body.code]).toEqual([409, 'CONFLICT']);
  await call(api, workflows.enableWorkflow, as(id));
  expect((await call(api, createRun, as(id))).status).toBe(201);
});

it('refuses to delete a workflow whose runs have not ended', async () => {
  const { status, body } = await call(api, workflows.deleteWorkflow, as(workflowId));
  expect([status, body.code]).toEqual([409, 'CONFLICT']);
});

it('lists runs newest first, filtered by workflow, status, time and name', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 3; index++) ids.push((await start()).body.run.id);
  const page = await call(api, listWorkflowRuns, { ...as(workflowId), query: { limit: '2' } });
  expect(page.body.runs.map((run) => run.id)).toEqual(ids.toReversed().slice(0, 2));
  expect(new Set(page.body.runs.map((run) => run.workflowName))).toEqual(new Set(['Flow']));
  const next = await call(api, listWorkflowRuns, { ...as(workflowId), query: { cursor: page.body.nextCursor ?? '' } });
  expect(next.body.runs[0]?.id).toBe(ids[0]);
  const list = (query: Record<string, string>) => call(api, listRuns, { ...as(workflowId), query });
  expect((await list({ search: ids[1] ?? '' })).body.runs.map((run) => run.id)).toEqual([ids[1]]);
  expect((await list({ status: 'failed' })).body.runs).toEqual([]);
  expect((await list({ to: '2020-01-01T00:00:00Z' })).body.runs).toEqual([]);
  expect((await list({ workflowId: newId() })).body.runs).toEqual([]);
  expect((await call(api, listWorkflowRuns, as(newId()))).status).toBe(404);
});

describe('Idempotency-Key', () => {
  it('makes one run of 20 parallel requests with the same key and body (T11)', async () => {
    const before = await countRuns();
    const answers = await Promise.all(Array.from({ length: 20 }, () => start({ input: 'same' }, 'parallel')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.run.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(19);
    expect(await countRuns()).toBe(before + 1);
  });

  it('refuses the same key with another body, and a key that is no key', async () => {
    await start({ input: 1 }, 'used');
    expect((await start({ input: 2 }, 'used')).status).toBe(409);
    const { status, body } = await start({ input: 2 }, 'with space');
    expect([status, body.details]).toMatchObject([400, [{ path: 'headers.idempotency-key' }]]);
    expect((await start({ input: 2 }, 'k'.repeat(256))).status).toBe(400);
  });
});

describe('without Redis', () => {
  it('answers 503 in under 500 ms, leaves no row and no key, keeps reading, and works again within 2 s', async () => {
    const before = await countRuns();
    await redis.kill();
    for (let tries = 0; tries < 5; tries++) {
      const startedAt = performance.now();
      const { status, body } = await start({ input: 'later' }, 'while-down');
      expect([status, body.code]).toEqual([503, 'QUEUE_UNAVAILABLE']);
      expect(performance.now() - startedAt).toBeLessThan(500);
    }
    expect(await countRuns()).toBe(before);
    expect((await call(api, listRuns, as(workflowId))).status).toBe(200);
    const events = api.logLines.filter((line) => line.event === 'queue_unavailable');
    expect(events).toHaveLength(5);
    expect(events[0]).toMatchObject({ userId: owner.id, orgId, workflowId, runId: expect.any(String) });
    expect(api.logLines.some((line) => line.event === 'workflow_run_enqueued' && line.runId === events[0]?.runId)).toBe(
      false,
    );

    await redis.restart();
    const backAt = performance.now();
    let status = 503;
    let replayed: unknown;
    while (status === 503 && performance.now() - backAt < 2_000) {
      const answer = await start({ input: 'later' }, 'while-down');
      status = answer.status;
      replayed = answer.headers['idempotency-replayed'];
    }
    expect([status, replayed]).toEqual([201, undefined]);
    expect(await countRuns()).toBe(before + 1);
  });

  it.each(['killed', 'frozen'])('answers 503 also to a run that would be held, with Redis %s', async (fault) => {
    await holdRuns();
    const before = await countRuns();
    if (fault === 'killed') await redis.kill();
    else redis.freeze();
    await new Promise((resolve) => setTimeout(resolve, 150)); // so long Redis is believed to be as it was
    const startedAt = performance.now();
    const { status, headers } = await start({ input: 'held' });
    expect([status, headers['retry-after']]).toEqual([503, '1']);
    expect(performance.now() - startedAt).toBeLessThan(500);
    if (fault === 'killed') await scene.restartRedis();
    else redis.thaw();
    expect(await countRuns()).toBe(before);
    await eventually('runs to be accepted again', async () => (await start({ input: 'held' })).status === 201);
    await admin.query('DELETE FROM app.org_run_limits WHERE org_id = $1', [orgId]);
    await admin.query('DELETE FROM app.workflow_runs WHERE held_by IS NOT NULL');
  });

  it('answers 503 in under 500 ms while Redis hangs', async () => {
    const before = await countRuns();
    redis.freeze();
    const startedAt = performance.now();
    const { status } = await start({ input: 'hung' });
    const tookMs = performance.now() - startedAt;
    redis.thaw();
    expect(status).toBe(503);
    expect(tookMs).toBeLessThan(500);
    expect(await countRuns()).toBe(before);
  });
});
