import { decideStep } from '@millrace/shared/contracts/runs';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';

let api: TestApi;
let admin: pg.Client;
let owner: TestUser;
let member: TestUser;
let orgId: string;
const workflowId = newId();
let runId: string;

beforeAll(async () => {
  api = await openTestApi();
  admin = new pg.Client({ connectionString: api.adminUrl });
  await admin.connect();
  owner = await signUpUser(api);
  member = await signUpUser(api);
  orgId = await createOrg(api, owner, [[member, 'member']]);
  await admin.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status) VALUES ($1, $2, 'W', '{}', 1, 'published')`,
    [orgId, workflowId],
  );
  await admin.query(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{}')`,
    [orgId, workflowId],
  );
});

afterAll(async () => {
  await admin.end();
  await api.close();
});

/** A run as its worker leaves it while it waits for people: two approvals, and a payment nobody knows the outcome of. */
beforeEach(async () => {
  runId = newId();
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, next_sweep_at)
     VALUES ($1, $2, $3, 1, 'trigger.manual', 'waiting', NULL)`,
    [orgId, runId, workflowId],
  );
  for (const [key, type, status, input] of [
    ['ask', 'approval', 'waiting', { by: 'admin' }],
    ['each.3.ask', 'approval', 'waiting', { by: { userIds: [member.id] } }],
    ['asked', 'approval', 'succeeded', { by: 'member' }],
    ['pay', 'http.request', 'waiting', { method: 'POST' }],
  ])
    await admin.query(
      `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, attempt, input)
       VALUES ($1, $2, $3, $4, $5, 1, $6)`,
      [orgId, runId, key, type, status, JSON.stringify(input)],
    );
});

function decide(user: TestUser, stepId: string, body: Record<string, unknown>) {
  return call(api, decideStep, { params: { orgId, workflowId, runId, stepId }, token: user.token, body } as never);
}

async function signals(): Promise<unknown[]> {
  const { rows } = await admin.query(
    'SELECT type, step_key AS "stepKey", payload FROM app.workflow_run_signals WHERE run_id = $1 ORDER BY number',
    [runId],
  );
  return rows;
}

it('stores the decision with who made it, and the run is due from now on', async () => {
  const { status, body } = await decide(owner, 'ask', { decision: 'approved', note: 'fine' });
  expect([status, body.run]).toMatchObject([200, { id: runId, status: 'waiting' }]);
  const payload = { decision: 'approved', value: null, note: 'fine', by: owner.id };
  expect(await signals()).toEqual([{ type: 'decide', stepKey: 'ask', payload }]);
  const { rows } = await admin.query('SELECT next_sweep_at <= now() AS due FROM app.workflow_runs WHERE id = $1', [
    runId,
  ]);
  expect(rows).toEqual([{ due: true }]);
});

it('the first decision counts, also before anybody acted on it and when many are made at once', async () => {
  const made = await Promise.all(
    ['approved', 'rejected', 'approved', 'rejected'].map((decision) => decide(owner, 'ask', { decision })),
  );
  expect(made.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409]);
  const [first] = made.flatMap(({ status }, index) => (status === 200 ? [index] : []));
  expect(await signals()).toMatchObject([
    { payload: { decision: first === undefined ? '' : ['approved', 'rejected'][first % 2] } },
  ]);
  expect((await decide(owner, 'ask', { decision: 'approved' })).body.code).toBe('CONFLICT');
  expect((await decide(owner, 'pay', { decision: 'fail' })).status).toBe(200);
});

it('an approval is given by those it asks and by nobody else', async () => {
  expect((await decide(member, 'ask', { decision: 'approved' })).status).toBe(403);
  expect((await decide(owner, 'each.3.ask', { decision: 'approved' })).status).toBe(403);
  expect(await signals()).toEqual([]);
  expect((await decide(member, 'each.3.ask', { decision: 'rejected' })).status).toBe(200);
});

it('only an admin says what becomes of a step whose outcome nobody knows', async () => {
  expect((await decide(member, 'pay', { decision: 'retry' })).status).toBe(403);
  expect((await decide(owner, 'pay', { decision: 'skip', value: { sent: true } })).status).toBe(200);
  expect(await signals()).toMatchObject([{ stepKey: 'pay', payload: { decision: 'skip', value: { sent: true } } }]);
});

it.each([
  ['ask', { decision: 'skip' }, 409],
  ['pay', { decision: 'approved' }, 409],
  ['asked', { decision: 'approved' }, 409],
  ['other', { decision: 'approved' }, 404],
  ['ask', { decision: 'maybe' }, 400],
  ['ask', { decision: 'approved', by: newId() }, 400],
])('a decision about %s as %j is refused', async (stepId, body, status) => {
  expect((await decide(owner, stepId, body)).status).toBe(status);
  expect(await signals()).toEqual([]);
});

it('a run that has ended, or of another workflow, hears nothing', async () => {
  const elsewhere = { orgId, workflowId: newId(), runId, stepId: 'ask' };
  const foreign = await call(api, decideStep, {
    params: elsewhere,
    token: owner.token,
    body: { decision: 'approved' },
  });
  expect(foreign.status).toBe(404);
  await admin.query(`UPDATE app.workflow_runs SET status = 'cancelled', finished_at = now() WHERE id = $1`, [runId]);
  expect((await decide(owner, 'ask', { decision: 'approved' })).status).toBe(409);
  expect(await signals()).toEqual([]);
});
