import { newId } from '@millrace/shared/ids';
import { eq } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { settleChildEvents, settleStuckChildEvents } from './child-runs.ts';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { cancelRun } from './run-signals.ts';
import { workflows } from './schema/workflows.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;
let inner: string;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  const options = { poolSize: 8, applicationName: 'child-runs-test', onError: () => {} };
  api = connectDatabase({ ...options, url: database.apiUrl });
  worker = connectDatabase({ ...options, url: database.workerUrl });
  tenant = await seedTenant(admin);
});
beforeEach(async () => {
  await admin.query('DELETE FROM app.child_run_events');
  inner = newId();
  await admin.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     VALUES ($1, $2, 'Inner', '{}', 1, 'published', now())`,
    [tenant.orgId, inner],
  );
  await admin.query(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{"nodes": []}')`,
    [tenant.orgId, inner],
  );
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

/** A run that waits for another one, and that one. */
async function seedFamily(isAwaited = true): Promise<{ parent: string; child: string }> {
  const [parent, child] = [newId(), newId()];
  const insert = `INSERT INTO app.workflow_runs
      (org_id, id, workflow_id, version, trigger_type, status, parent_run_id, parent_step_key, is_awaited, next_sweep_at)
    VALUES ($1, $2, $3, 1, 'trigger.manual', 'waiting', $4, $5, $6, NULL)`;
  await admin.query(insert, [tenant.orgId, parent, tenant.workflowId, null, null, false]);
  await admin.query(insert, [tenant.orgId, child, inner, parent, 'call', isAwaited]);
  await admin.query(
    `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status) VALUES ($1, $2, 'call', 'subworkflow', 'waiting')`,
    [tenant.orgId, parent],
  );
  return { parent, child };
}

const eventsOf = async (parent: string) =>
  (await admin.query('SELECT type FROM app.child_run_events WHERE parent_run_id = $1', [parent])).rows.map(
    ({ type }) => type,
  );
const statusOf = async (id: string) =>
  (await admin.query('SELECT status FROM app.workflow_runs WHERE id = $1', [id])).rows[0]?.status;
const signalsOf = async (id: string) =>
  (await admin.query('SELECT type, step_key AS "stepKey" FROM app.workflow_run_signals WHERE run_id = $1', [id])).rows;
const cancel = (id: string) => withOrg(api, tenant.orgId, (tx) => cancelRun(tx, id, { type: 'run.cancel_requested' }));

it('the end of an awaited run leaves an event in its transaction, which becomes a signal for its parent once', async () => {
  const { parent, child } = await seedFamily();
  await cancel(child);
  expect(await eventsOf(parent)).toEqual(['ended']);
  const settled = await Promise.all(
    [1, 2, 3].map(() => settleChildEvents(worker, { orgId: tenant.orgId, runId: child })),
  );
  expect(settled.flat()).toMatchObject([{ outcome: 'signalled', runId: parent, workflowId: tenant.workflowId }]);
  expect([await eventsOf(parent), await signalsOf(parent)]).toEqual([[], [{ type: 'resume', stepKey: 'call' }]]);
});

it('a run that nobody waits for leaves none', async () => {
  const { parent, child } = await seedFamily(false);
  await cancel(child);
  expect(await eventsOf(parent)).toEqual([]);
});

it('a cancelled step takes its run along, and nobody else', async () => {
  const { parent, child } = await seedFamily();
  const other = await seedFamily();
  await cancel(parent);
  expect(await eventsOf(parent)).toEqual(['cancel']);
  const settled = await settleChildEvents(api, { orgId: tenant.orgId, runId: parent });
  expect(settled).toMatchObject([{ outcome: 'cancelled', runId: child, workflowId: inner, attemptCount: 0 }]);
  expect([await statusOf(child), await statusOf(other.child), await eventsOf(parent)]).toEqual([
    'cancelled',
    'waiting',
    [],
  ]);
});

it('what nobody passed on is found by a sweeper, one of several at a time', async () => {
  const { parent, child } = await seedFamily();
  await cancel(child);
  const told: string[] = [];
  const sweep = () => settleStuckChildEvents(worker, 100, async ({ runId }) => void told.push(runId));
  await sweep();
  expect(told).toEqual([]); // whoever ended it has a second
  await admin.query('UPDATE app.child_run_events SET next_sweep_at = now()');
  await Promise.all([sweep(), sweep()]);
  await sweep();
  expect([told, await eventsOf(parent)]).toEqual([[parent], []]);
});

it('an event outlives the run that it tells of, and goes with the one that it is for', async () => {
  const { parent, child } = await seedFamily();
  const remove = (id: string) => withOrg(api, tenant.orgId, (tx) => tx.delete(workflows).where(eq(workflows.id, id)));
  await cancel(child);
  await remove(inner);
  expect([await statusOf(child), await eventsOf(parent)]).toEqual([undefined, ['ended']]);
  await remove(tenant.workflowId);
  expect([await statusOf(parent), await eventsOf(parent)]).toEqual([undefined, []]);
});
