import { randomBytes } from 'node:crypto';
import type { Database } from '@millrace/db/connect';
import { type SeededTenant, seedTenant } from '@millrace/db/testing-rows';
import { getRun, listRuns } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CallInput, call, type TestApi } from '../../testing.ts';
import { hashApiKey } from '../api-keys/key.ts';
import { addPerson } from '../organizations/testing.ts';
import { openSeededScene, type SeededScene } from './testing.ts';

/** Reading a run authorizes and reads in one call to the database; what a caller sees must not show it. */

let scene: SeededScene;
let api: TestApi;
let admin: Database;
let tenant: SeededTenant;
let other: SeededTenant;
let token: string;

beforeAll(async () => {
  scene = await openSeededScene();
  ({ api, admin, tenant, token } = scene);
  other = await seedTenant(admin.pool);
});
afterAll(() => scene.close());

const paramsOf = ({ orgId, workflowId, endedRunId }: SeededTenant) => ({ orgId, workflowId, runId: endedRunId });
const read = (input: CallInput = {}) => call(api, getRun, { params: paramsOf(tenant), token, ...input });
const outcome = async (input: CallInput) => {
  const { status, body, text } = await read(input);
  expect(text).not.toContain(tenant.endedRunId);
  return [status, body.code];
};

it('answers the run with its steps, in as few fields as the contract names', async () => {
  const { status, body } = await read();
  expect(status).toBe(200);
  expect(body.run).toMatchObject({ id: tenant.endedRunId, organizationId: tenant.orgId, status: 'succeeded' });
  expect(body.steps).toMatchObject([{ stepId: 'one', status: 'succeeded' }]);
  expect(Object.keys(body.run).sort()).toEqual(Object.keys(getRun.response.shape.run.shape).sort());
});

it('names the run whose step started it, read alone and in lists, and none for other runs', async () => {
  const runId = newId();
  await admin.pool.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, status, parent_run_id, parent_step_key, finished_at)
     VALUES ($1, $2, $3, 1, 'trigger.subworkflow', 'succeeded', $4, 'call', now())`,
    [tenant.orgId, runId, tenant.workflowId, tenant.endedRunId],
  );
  const { body } = await read({ params: { ...paramsOf(tenant), runId } });
  expect(body.run).toMatchObject({ parentRunId: tenant.endedRunId, retryOfRunId: null });
  expect((await read()).body.run.parentRunId).toBeNull();
  const { runs } = (await call(api, listRuns, { params: { orgId: tenant.orgId }, query: { search: runId }, token }))
    .body;
  expect(runs).toMatchObject([{ id: runId, parentRunId: tenant.endedRunId }]);
});

it('strips what the response schema does not declare, also from a document that the database wrote', async () => {
  const runId = newId();
  const error = { code: 'STEP_FAILED', message: 'It failed.', stepId: 'one', stack: 'canary' };
  await admin.pool.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, status, error, state, next_sweep_at, finished_at)
     VALUES ($1, $2, $3, 1, 'trigger.manual', 'failed', $4, '{"canary": 1}', NULL, now())`,
    [tenant.orgId, runId, tenant.workflowId, JSON.stringify(error)],
  );
  const { body, text } = await read({ params: { ...paramsOf(tenant), runId } });
  expect(body.run.error).toEqual({ code: 'STEP_FAILED', message: 'It failed.', stepId: 'one' });
  expect(text).not.toContain('canary');
});

it('T1: refuses in the order of the checks: credential, organization meant, membership, then what the path names', async () => {
  const stranger = (await addPerson(api)).token;
  const wrongOrg = { 'x-org-id': other.orgId };
  const badIds = { ...paramsOf(tenant), runId: 'not-an-id' };
  const unknown = { ...paramsOf(tenant), runId: newId() };
  expect(await outcome({ token: 'no.such.token', headers: wrongOrg })).toEqual([401, 'UNAUTHORIZED']);
  expect(await outcome({ token: stranger, headers: wrongOrg })).toEqual([400, 'INVALID_ORG_CONTEXT']);
  expect(await outcome({ headers: { 'x-org-id': undefined } })).toEqual([400, 'ORG_CONTEXT_REQUIRED']);
  expect(await outcome({ token: stranger, params: badIds })).toEqual([403, 'ORG_ACCESS_DENIED']);
  expect(await outcome({ token: stranger })).toEqual([403, 'ORG_ACCESS_DENIED']);
  expect(await outcome({ params: badIds })).toEqual([400, 'BAD_REQUEST']);
  expect(await outcome({ params: { ...paramsOf(tenant), orgId: 'acme' } })).toEqual([400, 'BAD_REQUEST']);
  expect(await outcome({ query: { x: '1' } })).toEqual([400, 'BAD_REQUEST']);
  expect(await outcome({ params: unknown })).toEqual([404, 'NOT_FOUND']);
  expect(await outcome({ params: { ...paramsOf(tenant), workflowId: newId() } })).toEqual([404, 'NOT_FOUND']);
  expect(await outcome({ params: { ...paramsOf(other), orgId: tenant.orgId } })).toEqual([404, 'NOT_FOUND']);
  expect(await outcome({ params: paramsOf(other) })).toEqual([403, 'ORG_ACCESS_DENIED']);
});

it('A6: a token that was just accepted is refused once its session is revoked, its member removed or its role unknown', async () => {
  const fresh = await seedTenant(admin.pool);
  const ask = async () => (await read({ params: paramsOf(fresh), token: await freshToken })).status;
  const freshToken = scene.tokenOf(fresh);
  expect(await ask()).toBe(200);
  await admin.pool.query('DELETE FROM app.memberships WHERE org_id = $1', [fresh.orgId]);
  expect(await ask()).toBe(403);
  await admin.pool.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [fresh.sessionId]);
  expect(await ask()).toBe(401);
});

it('answers an API key the same run, and only with the permission to read runs', async () => {
  const [reader, writer] = [await addKey(['run:read']), await addKey(['run:start'])];
  expect((await read({ token: reader })).body).toEqual((await read()).body);
  expect(await outcome({ token: writer })).toEqual([403, 'FORBIDDEN']);
  expect(await outcome({ token: reader, params: paramsOf(other) })).toEqual([403, 'ORG_ACCESS_DENIED']);
  expect(await outcome({ token: reader, params: { ...paramsOf(tenant), runId: newId() } })).toEqual([404, 'NOT_FOUND']);
});

async function addKey(permissions: string[]): Promise<string> {
  const key = `mr_${randomBytes(32).toString('base64url')}`;
  await admin.pool.query(
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $2, 'Key', $3, 'hint', $4, $5)`,
    [tenant.orgId, newId(), hashApiKey(key), permissions, tenant.userId],
  );
  return key;
}
