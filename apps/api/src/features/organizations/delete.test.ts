import { closeDatabase, connectDatabase } from '@millrace/db/connect';
import { eventually } from '@millrace/queue/testing';
import { deleteOrganization } from '@millrace/shared/contracts/organizations';
import { deleteWorkflow, getWorkflow } from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, queryAsAdmin } from './testing.ts';

vi.setConfig({ testTimeout: 180_000 }); // seconds alone; the machine may be busy

const RUNS = 200_000;
/** What one transaction may delete: rows, steps included, and stored bytes. */
const MOST_ROWS = 5_000;
const MIB = 1024 * 1024;
const MOST_BYTES = 50 * MIB;

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
  for (const statement of [
    // What went, by transaction. Bytes as they lie on the disk: here as they are, so that large ones are quickly made.
    'CREATE TABLE public.gone (tx xid8, place text, id text, bytes bigint)',
    `CREATE FUNCTION public.note_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
     BEGIN
       INSERT INTO public.gone VALUES (pg_current_xact_id(), TG_TABLE_NAME, to_jsonb(OLD) ->> TG_ARGV[0],
         CASE TG_TABLE_NAME WHEN 'workflow_runs' THEN 0 ELSE length(to_jsonb(OLD) ->> TG_ARGV[1]) END);
       RETURN NULL;
     END $$`,
    'ALTER TABLE app.workflow_run_steps ALTER output SET STORAGE EXTERNAL',
    'ALTER TABLE app.idempotency_keys ALTER response SET STORAGE EXTERNAL',
    `CREATE TRIGGER note AFTER DELETE ON app.workflow_runs FOR EACH ROW EXECUTE FUNCTION public.note_gone('id')`,
    `CREATE TRIGGER note AFTER DELETE ON app.workflow_run_steps
     FOR EACH ROW EXECUTE FUNCTION public.note_gone('run_id', 'output')`,
    `CREATE TRIGGER note AFTER DELETE ON app.hook_deliveries FOR EACH ROW EXECUTE FUNCTION public.note_gone('id', 'id')`,
    `CREATE TRIGGER note AFTER DELETE ON app.idempotency_keys
     FOR EACH ROW EXECUTE FUNCTION public.note_gone('key', 'response')`,
  ])
    await queryAsAdmin(api, statement, []);
});

beforeEach(async () => {
  await queryAsAdmin(api, 'TRUNCATE public.gone', []);
});

afterAll(async () => {
  await api.close();
});

it('deletes an organization with 200,000 runs in small transactions, counts them, and leaves the neighbour', async () => {
  const [large, small] = [await addOrganization(api), await addOrganization(api)];
  await addRuns(large.orgId, await addWorkflow(large.orgId), { count: RUNS });
  await addRuns(small.orgId, await addWorkflow(small.orgId), { count: 10 });
  const started = performance.now();
  const { status, body, text } = await remove(large);
  const seconds = (performance.now() - started) / 1000;
  expect(status, text).toBe(200);
  expect(body.deleted).toEqual({
    members: 1,
    invitations: 0,
    workflows: 1,
    runs: RUNS,
    variables: 0,
    apiKeys: 0,
    auditEntries: 2, // its creation, and that its deletion began
  });
  const left = await queryAsAdmin(
    api,
    `SELECT org_id AS org, count(*)::integer AS runs FROM app.workflow_run_steps GROUP BY org_id`,
    [],
  );
  expect(left).toEqual([{ org: small.orgId, runs: 10 }]);
  await expectSmallTransactions();
  reportFigure(
    'Delete an organization',
    `${RUNS} runs with a step each in ${seconds.toFixed(1)} s, at most ${await mostGone('count(*)')} rows in one transaction`,
  );
});

it('deletes many steps, large steps and many or large kept answers in transactions that are small all the same', async () => {
  const organization = await addOrganization(api);
  const { orgId } = organization;
  const workflowId = await addWorkflow(orgId);
  await addRuns(orgId, workflowId, { count: 300, steps: 100 });
  await addRuns(orgId, workflowId, { count: 12, bytes: 8 * MIB });
  const addKeys = (count: number, bytes: number) =>
    queryAsAdmin(
      api,
      `INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, status, response, expires_at)
       SELECT $1, gen_random_uuid(), 'POST /', sha256(''), 201, to_jsonb(repeat('x', $3)), now() + interval '1 day'
       FROM generate_series(1, $2::integer)`,
      [orgId, count, bytes],
    );
  await addKeys(12_000, 10);
  await addKeys(12, 8 * MIB);
  expect((await remove(organization)).status).toBe(200);
  expect(await gone()).toEqual({ runs: 312, steps: 30_012, deliveries: 0, keys: 12_012 });
  await expectSmallTransactions();
});

it('deletes a workflow with many runs in small transactions, and says in the audit log that it began', async () => {
  const { orgId, owner } = await addOrganization(api);
  const [workflowId, neighbour] = [await addWorkflow(orgId), await addWorkflow(orgId)];
  await addRuns(orgId, neighbour, { count: 10 });
  await addRuns(orgId, workflowId, { count: 3_000, steps: 5 });
  const params = { orgId, workflowId };
  const openRun = await addOpenRun(orgId, workflowId);
  const refused = await call(api, deleteWorkflow, { token: owner.token, params });
  expect([refused.status, await gone()]).toEqual([409, { runs: 0, steps: 0, deliveries: 0, keys: 0 }]);
  const { body } = await call(api, getWorkflow, { token: owner.token, params });
  expect(body.workflow.isEnabled).toBe(true);
  await queryAsAdmin(api, `UPDATE app.workflow_runs SET status = 'failed', finished_at = now() WHERE id = $1`, [
    openRun,
  ]);
  const { status, text } = await call(api, deleteWorkflow, { token: owner.token, params });
  expect(status, text).toBe(200);
  expect(await gone()).toEqual({ runs: 3_001, steps: 15_000, deliveries: 0, keys: 0 });
  expect(await actionsOf(orgId)).toEqual(['organization.create', 'workflow.delete_begin', 'workflow.delete']);
  await expectSmallTransactions();
});

it('deletes many deliveries of webhooks in small transactions, with their organization or their workflow', async () => {
  const organization = await addOrganization(api);
  const { orgId, owner } = organization;
  const [workflowId, other] = [await addWorkflow(orgId), await addWorkflow(orgId)];
  for (const id of [workflowId, other])
    await queryAsAdmin(
      api,
      `INSERT INTO app.hook_deliveries (org_id, id, workflow_id, version, run_id, max_attempts, next_sweep_at, expires_at)
       SELECT $1, gen_random_uuid(), $2, 1, gen_random_uuid(), 1, NULL, now() + interval '1 day'
       FROM generate_series(1, 12000)`,
      [orgId, id],
    );
  const params = { orgId, workflowId };
  expect((await call(api, deleteWorkflow, { token: owner.token, params })).status).toBe(200);
  expect(await gone()).toMatchObject({ deliveries: 12_000 });
  expect((await remove(organization)).status).toBe(200);
  expect(await gone()).toMatchObject({ deliveries: 24_000 });
  await expectSmallTransactions();
});

it('leaves an entry when it stops half-way, and asking again finishes it', async () => {
  const organization = await addOrganization(api);
  const { orgId } = organization;
  const workflowId = await addWorkflow(orgId);
  await addRuns(orgId, workflowId, { count: 4_000 });
  const last = await addOpenRun(orgId, workflowId); // the newest: runs go oldest first
  for (const statement of [
    `CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$`,
    `CREATE TRIGGER fails BEFORE DELETE ON app.workflow_runs FOR EACH ROW WHEN (OLD.id = '${last}')
     EXECUTE FUNCTION public.fail()`,
  ])
    await queryAsAdmin(api, statement, []);
  expect((await remove(organization)).status).toBe(500);
  expect(await gone()).toMatchObject({ runs: 4_000 });
  expect(await actionsOf(orgId)).toEqual(['organization.create', 'organization.delete_begin']);
  await queryAsAdmin(api, 'DROP TRIGGER fails ON app.workflow_runs', []);
  const { status, body } = await remove(organization);
  expect([status, body.deleted]).toMatchObject([200, { runs: 1, auditEntries: 2 }]);
  const tombstones = 'SELECT seq::integer AS seq, run_count AS runs FROM app.deleted_organizations WHERE id = $1';
  expect(await queryAsAdmin(api, tombstones, [orgId])).toEqual([{ seq: 2, runs: 1 }]);
});

it('succeeds although an edit of a workflow, which locks the other way round, met it in a deadlock', async () => {
  const organization = await addOrganization(api);
  const { orgId } = organization;
  const workflowId = await addWorkflow(orgId);
  const database = connectDatabase({ url: api.adminUrl, poolSize: 2, applicationName: 'edit', onError: () => {} });
  const client = await database.pool.connect();
  // The deletion is the one that gives way: this side never looks for a deadlock.
  await client.query(`SET deadlock_timeout = '1h'`);
  await client.query('BEGIN');
  await client.query('SELECT FROM app.workflows WHERE id = $1 FOR UPDATE', [workflowId]);
  const deletion = remove(organization);
  await eventually('the deletion waits for the workflow', async () => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return (await database.pool.query(waiting)).rows.length > 0;
  });
  await client.query('SELECT FROM app.organizations WHERE id = $1 FOR NO KEY UPDATE', [orgId]);
  await client.query('COMMIT');
  const { status, text } = await deletion;
  client.release(true);
  await closeDatabase(database);
  expect(status, text).toBe(200);
});

it('deletes nothing of a large organization without the right confirmation', async () => {
  const organization = await addOrganization(api);
  await addRuns(organization.orgId, await addWorkflow(organization.orgId), { count: 6_000 });
  expect((await remove({ ...organization, slug: 'something-else' })).status).toBe(400);
  expect(await gone()).toEqual({ runs: 0, steps: 0, deliveries: 0, keys: 0 });
});

const remove = ({ orgId, owner, slug }: Awaited<ReturnType<typeof addOrganization>>) =>
  call(api, deleteOrganization, { token: owner.token, params: { orgId }, body: { confirm: slug } });

async function gone(): Promise<unknown> {
  const [row] = await queryAsAdmin(
    api,
    `SELECT count(*) FILTER (WHERE place = 'workflow_runs')::integer AS runs,
       count(*) FILTER (WHERE place = 'workflow_run_steps')::integer AS steps,
       count(*) FILTER (WHERE place = 'hook_deliveries')::integer AS deliveries,
       count(*) FILTER (WHERE place = 'idempotency_keys')::integer AS keys
     FROM public.gone`,
    [],
  );
  return row;
}

/** The largest transaction by this measure. */
async function mostGone(measure: string): Promise<number> {
  const [row] = await queryAsAdmin<{ most: number }>(
    api,
    `SELECT max(amount)::float AS most FROM (SELECT ${measure} AS amount FROM public.gone GROUP BY tx) t`,
    [],
  );
  return row?.most ?? 0;
}

async function expectSmallTransactions(): Promise<void> {
  expect(await mostGone('count(*)')).toBeLessThanOrEqual(2 * MOST_ROWS); // the last one takes the rest of both kinds
  expect(await mostGone('sum(bytes)')).toBeLessThanOrEqual(2 * MOST_BYTES);
  expect(await mostGone('count(*)')).toBeGreaterThan(0);
}

async function actionsOf(orgId: string): Promise<string[]> {
  const text = 'SELECT action FROM app.audit_log WHERE org_id = $1 ORDER BY seq';
  return (await queryAsAdmin<{ action: string }>(api, text, [orgId])).map(({ action }) => action);
}

async function addWorkflow(orgId: string): Promise<string> {
  const workflowId = newId();
  for (const text of [
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status)
     VALUES ($1, $2, 'Flow', '{}', 1, 'published')`,
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{}')`,
  ])
    await queryAsAdmin(api, text, [orgId, workflowId]);
  return workflowId;
}

async function addOpenRun(orgId: string, workflowId: string): Promise<string> {
  const runId = newId();
  const text = `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type)
    VALUES ($1, $2, $3, 1, 'trigger.manual')`;
  await queryAsAdmin(api, text, [orgId, runId, workflowId]);
  return runId;
}

/** Ended runs with steps whose outputs have so many bytes, in portions that a busy machine inserts in time. */
async function addRuns(
  orgId: string,
  workflowId: string,
  { count, steps = 1, bytes = 0 }: { count: number; steps?: number; bytes?: number },
): Promise<void> {
  for (let left = count; left > 0; left -= 20_000)
    await queryAsAdmin(
      api,
      `WITH runs AS (
         INSERT INTO app.workflow_runs
           (org_id, id, workflow_id, version, trigger_type, status, next_sweep_at, finished_at, input)
         SELECT $1, gen_random_uuid(), $2, 1, 'trigger.manual', 'succeeded', NULL, now(), '{"n": 1}'
         FROM generate_series(1, $3::integer) RETURNING org_id, id)
       INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, output)
       SELECT org_id, id, step, 'transform', 'succeeded', to_jsonb(repeat('x', $5))
       FROM runs, generate_series(1, $4::integer) AS step`,
      [orgId, workflowId, Math.min(left, 20_000), steps, bytes],
    );
}
