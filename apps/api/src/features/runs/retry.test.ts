import type { TestRedis } from '@millrace/queue/testing';
import { cancelRun, createRun, getRun, retryRun } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, type TestApi, type TestUser } from '../../testing.ts';
import { openRunScene, publishFlow, type RunScene } from './testing.ts';

/** What the API accepts; that finished steps are not done again is shown with real workers in tests/retry.test.ts. */

const INPUT_SCHEMA = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
const dslOf = (attempts: number, trigger: object = {}) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual', ...trigger },
  nodes: [{ id: 'one', type: 'transform', config: { value: 1 }, retry: { maxAttempts: attempts, backoffMs: 10 } }],
});

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
  workflowId = await publishFlow(scene, dslOf(4));
});
afterAll(() => scene.close());

const of = (runId?: string) => ({ params: { orgId, workflowId, ...(runId && { runId }) }, token: owner.token });

/** A run of the published version that was cancelled before anybody began it. */
async function cancelledRun(input: unknown = { n: 1 }): Promise<string> {
  const { id } = (await call(api, createRun, { ...of(), body: { input } })).body.run;
  expect((await call(api, cancelRun, of(id))).status).toBe(200);
  return id;
}

function retry(runId: string, body?: object, headers = {}) {
  return call(api, retryRun, { ...of(runId), ...(body && { body }), headers });
}

async function publish(dsl: object): Promise<void> {
  const { workflow } = (await call(api, workflows.getWorkflow, of())).body;
  const body = { name: workflow.name, dsl, revision: workflow.revision };
  expect((await call(api, workflows.updateWorkflow, { ...of(), body })).status).toBe(200);
  expect((await call(api, workflows.publishWorkflow, of())).status).toBe(200);
}

/** A run of version 1 whose step succeeded before its output failed. */
async function failedRun(): Promise<string> {
  const id = newId();
  const state = { format: 1, status: 'failed', steps: { one: { status: 'succeeded', attempt: 1 } }, edges: [] };
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, state, finished_at)
     VALUES ($1, $2, $3, 1, 'trigger.manual', 'failed', $4, now())`,
    [orgId, id, workflowId, state],
  );
  await admin.query(
    `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, output, started_at, finished_at)
     VALUES ($1, $2, 'one', 'transform', 'succeeded', '"done"', now(), now())`,
    [orgId, id],
  );
  return id;
}

async function countRuns(): Promise<number> {
  return (await admin.query('SELECT count(*)::int AS count FROM app.workflow_runs')).rows[0].count;
}

it('answers 201 with a new queued run of the same input that names the one it retries, and logs that it was enqueued', async () => {
  const runId = await cancelledRun();
  const { status, body } = await retry(runId);
  expect(status).toBe(201);
  expect(body.run).toMatchObject({
    ...{ organizationId: orgId, workflowId, status: 'queued', input: { n: 1 }, retryOfRunId: runId, maxAttempts: 4 },
    ...{ requestedByUserId: owner.id, triggerType: 'trigger.manual', output: null, error: null },
  });
  expect(body.run.id).not.toBe(runId);
  const events = api.logLines.filter((line) => line.event === 'workflow_run_enqueued' && line.runId === body.run.id);
  expect(events).toMatchObject([{ userId: owner.id, orgId, workflowId, requestId: expect.any(String) }]);
  expect((await call(api, getRun, of(runId))).body.run.status).toBe('cancelled');
});

it('refuses to retry a run that has not ended or has succeeded, and finds none that is not there', async () => {
  const { id } = (await call(api, createRun, { ...of(), body: {} })).body.run;
  const unfinished = await retry(id);
  expect([unfinished.status, unfinished.body.code]).toEqual([409, 'CONFLICT']);
  await admin.query(`UPDATE app.workflow_runs SET status = 'succeeded', finished_at = now() WHERE id = $1`, [id]);
  expect((await retry(id)).body.message).toContain('This run is succeeded');
  expect((await retry(newId())).status).toBe(404);
  expect((await retry(await cancelledRun(), { latest: 'yes' })).status).toBe(400);
});

it('refuses while the workflow is disabled', async () => {
  const runId = await cancelledRun();
  await call(api, workflows.disableWorkflow, of());
  expect((await retry(runId)).status).toBe(409);
  expect((await retry(runId, { latest: true })).status).toBe(409);
  await call(api, workflows.enableWorkflow, of());
  expect((await retry(runId)).status).toBe(201);
});

it('makes one run of parallel requests with the same Idempotency-Key (T11)', async () => {
  const runId = await cancelledRun();
  const before = await countRuns();
  const key = { 'idempotency-key': 'retry-once' };
  const answers = await Promise.all(Array.from({ length: 10 }, () => retry(runId, {}, key)));
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.run.id}`)).size).toBe(1);
  expect(await countRuns()).toBe(before + 1);
  expect((await retry(runId, { latest: true }, key)).status).toBe(409);
});

it('keeps the version, and takes the latest one only when asked, whose input schema counts', async () => {
  const [fits, fitsNot] = [await cancelledRun({ n: 1 }), await cancelledRun('no object')];
  const { version } = (await call(api, getRun, of(fits))).body.run;
  await publish(dslOf(9, { config: { inputSchema: INPUT_SCHEMA } }));
  expect((await retry(fits)).body.run).toMatchObject({ version, maxAttempts: 4 });
  expect((await retry(fits, { latest: true })).body.run).toMatchObject({ version: version + 1, maxAttempts: 9 });
  expect((await retry(fitsNot)).status).toBe(201);
  expect((await retry(fitsNot, { latest: true })).body.code).toBe('BAD_REQUEST');
});

it('answers 503 without Redis and leaves no run, no step and no key behind (R7)', async () => {
  const runId = await failedRun();
  const before = await countRuns();
  await redis.kill();
  const { status, body } = await retry(runId, {}, { 'idempotency-key': 'while-down' });
  expect([status, body.code]).toEqual([503, 'QUEUE_UNAVAILABLE']);
  expect(await countRuns()).toBe(before);
  expect(await stepRunIds()).toEqual([runId]);
  await redis.restart();
  let again = await retry(runId, {}, { 'idempotency-key': 'while-down' });
  while (again.status === 503) again = await retry(runId, {}, { 'idempotency-key': 'while-down' });
  expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, undefined]);
  expect(await stepRunIds()).toEqual([runId, again.body.run.id]);
  const { steps } = (await call(api, getRun, of(again.body.run.id))).body;
  expect(steps).toMatchObject([{ stepId: 'one', status: 'succeeded', output: 'done' }]);
});

async function stepRunIds(): Promise<string[]> {
  const { rows } = await admin.query(
    `SELECT run_id FROM app.workflow_run_steps WHERE status = 'succeeded' ORDER BY run_id`,
  );
  return rows.map(({ run_id }) => run_id);
}
