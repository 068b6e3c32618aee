import { randomBytes } from 'node:crypto';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { type HookRun, makeHookRun, makeStuckHookRuns, purgeHookDeliveries, storeDelivery } from './hooks.ts';
import { findWorkflowByHook } from './lookups.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  const options = { poolSize: 8, applicationName: 'hooks-test', onError: () => {} };
  api = connectDatabase({ ...options, url: database.apiUrl });
  worker = connectDatabase({ ...options, url: database.workerUrl });
  tenant = await seedTenant(admin);
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

const store = (dedupeHash: Buffer | null = null, runId = newId()) =>
  withOrg(api, tenant.orgId, (tx) =>
    storeDelivery(tx, {
      id: newId(),
      workflowId: tenant.workflowId,
      version: 1,
      runId,
      dedupeHash,
      input: { body: { n: 1 } },
      maxAttempts: 4,
    }),
  );
const rowOf = async (id: string) =>
  (await admin.query('SELECT *, expires_at - now() AS "left" FROM app.hook_deliveries WHERE id = $1', [id])).rows[0];
const runsOf = async (runId: string) =>
  (await admin.query('SELECT * FROM app.workflow_runs WHERE id = $1', [runId])).rows;
/** As if the deliveries had been stored a while ago. */
const age = (ids: string[]) =>
  admin.query(`UPDATE app.hook_deliveries SET next_sweep_at = now() - interval '1 s' WHERE id = ANY ($1)`, [ids]);
const sweep = async (db: Database, limit = 100) => {
  const made: HookRun[] = [];
  await makeStuckHookRuns(db, limit, async (run) => void made.push(run));
  return made;
};

it('stores a delivery of one name once, however many arrive at the same moment, and one without a name each time', async () => {
  const name = randomBytes(32);
  const stored = await Promise.all(Array.from({ length: 20 }, () => store(name)));
  expect(stored.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect(new Set(stored.map(({ id }) => id)).size).toBe(1);
  expect([(await store()).isNew, (await store()).isNew]).toEqual([true, true]);
});

it('T2: a name means nothing in another organization, nor in another workflow', async () => {
  const name = randomBytes(32);
  await store(name);
  const other = await seedTenant(admin);
  const theirs = await withOrg(api, other.orgId, (tx) =>
    storeDelivery(tx, {
      id: newId(),
      workflowId: other.workflowId,
      version: 1,
      runId: newId(),
      dedupeHash: name,
      input: {},
      maxAttempts: 1,
    }),
  );
  expect(theirs.isNew).toBe(true);
});

it('makes exactly one run of a delivery, whoever tries and however often, and keeps its name for three days', async () => {
  const runId = newId();
  const { id } = await store(null, runId);
  const tries = Array.from({ length: 10 }, (_, nth) => makeHookRun(nth % 2 ? api : worker, tenant.orgId, id));
  const made = (await Promise.all(tries)).filter((run) => run !== null);
  expect(made).toEqual([{ orgId: tenant.orgId, workflowId: tenant.workflowId, runId, isHeld: false }]);
  expect(await runsOf(runId)).toEqual([
    expect.objectContaining({
      org_id: tenant.orgId,
      workflow_id: tenant.workflowId,
      version: 1,
      trigger_type: 'trigger.webhook',
      status: 'queued',
      input: { body: { n: 1 } },
      max_attempts: 4,
      requested_by_user_id: null,
    }),
  ]);
  expect(await rowOf(id)).toMatchObject({
    input: null,
    next_sweep_at: null,
    left: expect.objectContaining({ days: 2 }),
  });
});

it('makes no run of a delivery of another organization', async () => {
  const other = await seedTenant(admin);
  const runId = newId();
  const { id } = await store(null, runId);
  expect(await makeHookRun(worker, other.orgId, id)).toBeNull();
  expect(await runsOf(runId)).toEqual([]);
});

it('a sweep of a worker or an API makes the runs that nobody made, a bounded number at a time', async () => {
  const deliveries = await Promise.all(Array.from({ length: 5 }, () => store()));
  const ids = deliveries.map(({ id }) => id);
  expect(await sweep(worker)).toEqual([]); // stored a moment ago: their API is at it
  await age(ids);
  const made = [...(await sweep(worker, 2)), ...(await sweep(api, 2)), ...(await sweep(api, 2)), ...(await sweep(api))];
  expect(made).toHaveLength(5);
  const { rows } = await admin.query('SELECT run_id AS id FROM app.hook_deliveries WHERE id = ANY ($1)', [ids]);
  expect(made.map(({ runId }) => runId).toSorted()).toEqual(rows.map((row) => row.id).toSorted());
});

it('a delivery whose run cannot be made holds up no other, and is tried again', async () => {
  const taken = newId();
  const [bad, good] = [await store(null, taken), await store()];
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type) VALUES ($1, $2, $3, 1, 'x')`,
    [tenant.orgId, taken, tenant.workflowId],
  );
  await age([bad.id, good.id]);
  await expect(sweep(worker)).rejects.toThrow(/workflow_runs_pkey/);
  expect(await rowOf(good.id)).toMatchObject({ next_sweep_at: null });
  expect(await rowOf(bad.id)).toMatchObject({ next_sweep_at: expect.any(Date), expires_at: null });
  await admin.query('DELETE FROM app.hook_deliveries WHERE id = $1', [bad.id]);
});

it('makes every run though nobody can be woken, and says so at the end', async () => {
  const deliveries = await Promise.all(Array.from({ length: 3 }, () => store()));
  const ids = deliveries.map(({ id }) => id);
  await age(ids);
  const refused = Object.assign(new Error('no Redis'), { code: 'ECONNREFUSED' });
  await expect(makeStuckHookRuns(worker, 100, () => Promise.reject(refused))).rejects.toBe(refused);
  for (const id of ids) expect(await rowOf(id)).toMatchObject({ next_sweep_at: null });
});

it('removes what has expired, a bounded number at a time, and nothing that waits for its run', async () => {
  const [waiting, fresh, ...old] = await Promise.all(Array.from({ length: 5 }, () => store()));
  for (const { id } of [fresh, ...old].filter((one) => one !== undefined)) await makeHookRun(api, tenant.orgId, id);
  const expired = old.map(({ id }) => id);
  await admin.query(`UPDATE app.hook_deliveries SET expires_at = now() - interval '1 s' WHERE id = ANY ($1)`, [
    expired,
  ]);
  expect([
    await purgeHookDeliveries(api, 2),
    await purgeHookDeliveries(api, 2),
    await purgeHookDeliveries(api, 2),
  ]).toEqual([2, 1, 0]);
  expect([await rowOf(waiting?.id ?? ''), await rowOf(fresh?.id ?? '')]).not.toContain(undefined);
});

it('finds a workflow by the hash of its token and nothing by any other', async () => {
  const { rows } = await admin.query('SELECT token_hash AS hash FROM app.workflow_hooks WHERE org_id = $1', [
    tenant.orgId,
  ]);
  const { orgId, workflowId } = tenant;
  expect(await findWorkflowByHook(api, rows[0].hash)).toEqual({ orgId, workflowId });
  for (const hash of [randomBytes(32), Buffer.alloc(0)]) expect(await findWorkflowByHook(api, hash)).toBeNull();
});
