import { randomBytes } from 'node:crypto';
import type { Database } from '@millrace/db/connect';
import { claimRun, recordRun } from '@millrace/db/run-ownership';
import { type SeededTenant, seedQueuedRun } from '@millrace/db/testing-rows';
import { getRunInput, getRunOutput, getStepInput, getStepOutput } from '@millrace/shared/contracts/run-values';
import { getRun, listRuns } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, type TestApi } from '../../testing.ts';
import { openSeededScene, type SeededScene } from './testing.ts';

let scene: SeededScene;
let api: TestApi;
let admin: Database;
let worker: Database;
let tenant: SeededTenant;
let token: string;

beforeAll(async () => {
  scene = await openSeededScene();
  ({ api, admin, worker, tenant, token } = scene);
});
afterAll(() => scene.close());

/** A run that ended with these values, of itself and of its step `one`. */
async function finish(values: { input: unknown; output: unknown }): Promise<string> {
  const { orgId, workflowId } = tenant;
  const runId = await seedQueuedRun(admin.pool, tenant);
  const claim = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (claim.status !== 'claimed') throw new Error(claim.status);
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken: claim.run.leaseToken, leaseMs: 60_000 };
  const step = { stepKey: 'one', type: 'transform', status: 'succeeded', attempt: 1, ...values } as const;
  const end = { status: 'succeeded', nextAttemptAt: null, attemptCount: 1, release: true } as const;
  await recordRun(worker, { ...own, ...end, steps: [step], output: values.output });
  return runId;
}

const at = (runId: string, stepId?: string) => ({
  token,
  params: { orgId: tenant.orgId, workflowId: tenant.workflowId, runId, ...(stepId && { stepId }) },
});

it('answers a value of many megabytes as a whole, and its size in its place everywhere else', async () => {
  // Half of it cannot be compressed, so it is read in several pieces.
  const output = { random: randomBytes(3_000_000).toString('base64'), plain: 'ü'.repeat(1_000_000) };
  const mark = { $large: { sizeBytes: Buffer.byteLength(JSON.stringify(output)) } };
  const runId = await finish({ input: ['small'], output });
  for (const answer of [await call(api, getStepOutput, at(runId, 'one')), await call(api, getRunOutput, at(runId))]) {
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(answer.body.value).toEqual(output);
  }
  expect((await call(api, getStepInput, at(runId, 'one'))).body).toEqual({ value: ['small'] });
  expect((await call(api, getRunInput, at(runId))).body).toEqual({ value: { n: 1 } });
  const { body } = await call(api, getRun, at(runId));
  expect([body.run.output, body.steps[0]?.output, body.steps[0]?.input]).toEqual([mark, mark, ['small']]);
  const list = await call(api, listRuns, { token, params: { orgId: tenant.orgId } });
  expect(list.body.runs.find(({ id }) => id === runId)).toMatchObject({ input: { n: 1 }, output: mark });
});

it('lists a large input of a run by its size', async () => {
  const runId = await seedQueuedRun(admin.pool, tenant);
  const input = { text: 'x'.repeat(500_000) };
  await admin.pool.query('UPDATE app.workflow_runs SET input = $2 WHERE id = $1', [runId, JSON.stringify(input)]);
  const list = await call(api, listRuns, { token, params: { orgId: tenant.orgId } });
  const listed = list.body.runs.find(({ id }) => id === runId);
  expect(listed?.input).toEqual({ $large: { sizeBytes: expect.any(Number) } });
  expect((await call(api, getRunInput, at(runId))).body).toEqual({ value: input });
});

it('is 404 for a run or a step that is not there, and for what a loop keeps of its iterations', async () => {
  const runId = await finish({ input: 1, output: 2 });
  await admin.pool.query(
    `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, output)
     VALUES ($1, $2, 'each.0', 'iteration', 'succeeded', '1')`,
    [tenant.orgId, runId],
  );
  for (const stepId of ['two', 'each.0']) expect((await call(api, getStepOutput, at(runId, stepId))).status).toBe(404);
  expect((await call(api, getRunOutput, at(newId()))).status).toBe(404);
});

it('reads rarely asked lists by the indexes made for them', async () => {
  await admin.pool.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, next_sweep_at, finished_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'succeeded' END, NULL, now()
     FROM generate_series(1, 3000) n`,
    [tenant.orgId, tenant.workflowId],
  );
  await admin.pool.query('ANALYZE app.workflow_runs');
  const input = { token, params: { orgId: tenant.orgId } };
  const failed = await call(api, listRuns, { ...input, query: { status: 'failed', limit: '100' } });
  expect(failed.body.runs.map(({ status }) => status)).toEqual(Array(6).fill('failed'));
  const { rows } = await admin.pool.query(
    `EXPLAIN SELECT id FROM app.workflow_runs WHERE org_id = '${tenant.orgId}' AND unsuccessful_status = 'failed'
     ORDER BY created_at DESC, id DESC LIMIT 51`,
  );
  expect(JSON.stringify(rows)).toContain('workflow_runs_unsuccessful');
});
