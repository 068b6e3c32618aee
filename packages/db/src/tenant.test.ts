import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { claimRun, heartbeatRuns } from './run-ownership.ts';
import { loadSteps } from './runs.ts';
import { users } from './schema/users.ts';
import { workflows } from './schema/workflows.ts';
import { type OrgTx, type PlainTx, withOrg, withoutOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let db: Database;
let first: SeededTenant;
let second: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  db = connectDatabase({ url: database.apiUrl, poolSize: 2, applicationName: 'tenant-test', onError: () => {} });
  first = await seedTenant(admin);
  second = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(db)]);
  await database.drop();
});

const idsOf = (orgId: string) => withOrg(db, orgId, (tx) => tx.select({ id: workflows.id }).from(workflows));

it('shows one organization at a time, also to calls that run side by side', async () => {
  const orgs = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? first : second));
  const seen = await Promise.all(orgs.map((org) => idsOf(org.orgId)));
  expect(seen).toEqual(orgs.map((org) => [{ id: org.workflowId }]));
});

it('leaves no organization behind on the connection, however it was used and however that ended', async () => {
  const open = (url: string) => connectDatabase({ url, poolSize: 1, applicationName: 'one', onError: () => {} });
  const [api, worker] = [open(database.apiUrl), open(database.workerUrl)];
  const { orgId } = first;
  const runId = await seedQueuedRun(admin, first);
  const uses: [db: Database, use: string, outcome: string, () => Promise<unknown>][] = [
    [api, 'a read', 'done', () => withOrg(api, orgId, (tx) => tx.select().from(workflows))],
    [api, 'a rollback', 'failed', () => withOrg(api, orgId, () => Promise.reject(new Error('changed my mind')))],
    [api, 'a failed statement', 'failed', () => withOrg(api, orgId, (tx) => tx.execute('SELECT 1 / 0'))],
    [api, 'accounts', 'done', () => withoutOrg(api, (tx) => tx.select().from(users))],
    [worker, 'a claim', 'done', () => claimRun(worker, { orgId, runId, leaseMs: 1_000 })],
    [
      worker,
      'a heartbeat',
      'done',
      () => heartbeatRuns(worker, [{ orgId, workflowId: first.workflowId, runId, leaseToken: 1, leaseMs: 1_000 }]),
    ],
    [worker, 'steps', 'done', () => loadSteps(worker, orgId, runId)],
    [worker, 'a failed claim', 'failed', () => claimRun(worker, { orgId, runId, leaseMs: 1e12 })],
  ];
  for (const [one, use, outcome, work] of uses) {
    const ended = await work().then(
      () => 'done',
      () => 'failed',
    );
    const { rows } = await one.pool.query(`SELECT coalesce(current_setting('app.current_org_id', true), '') AS org`);
    const bare = await one.pool.query('SELECT FROM app.workflow_runs').catch((error: unknown) => error);
    expect([use, ended, rows[0].org, sqlStateOf(bare)]).toEqual([use, outcome, '', 'WF001']);
  }
  await Promise.all([closeDatabase(api), closeDatabase(worker)]);
});

it('commits what it resolves with and rolls back when it throws', async () => {
  const rename = (name: string) =>
    withOrg(db, first.orgId, async (tx) => {
      await tx.update(workflows).set({ name });
      if (name === 'bad') throw new Error('changed my mind');
      return name;
    });
  expect(await rename('good')).toBe('good');
  await expect(rename('bad')).rejects.toThrow('changed my mind');
  const { rows } = await admin.query('SELECT org_id, name FROM app.workflows ORDER BY org_id');
  expect(rows).toEqual(
    [
      { org_id: first.orgId, name: 'good' },
      { org_id: second.orgId, name: 'Flow' },
    ].toSorted((a, b) => (a.org_id < b.org_id ? -1 : 1)),
  );
});

it('calls a transaction that lost a deadlock a second time, and both of two that met are done', async () => {
  let calls = 0;
  const names: string[] = [];
  const met = barrier(2);
  const lock = (tx: OrgTx | PlainTx, id: string) => tx.execute(sql`select from app.users where id = ${id} for update`);
  const inOrder = (from: string, to: string) => async (tx: OrgTx | PlainTx) => {
    calls += 1;
    await lock(tx, from);
    await met();
    await lock(tx, to);
    await tx.update(users).set({ displayName: sql`coalesce(display_name, '') || 'x'` }).where(eq(users.id, to));
  };
  await Promise.all([
    withOrg(db, first.orgId, inOrder(first.userId, second.userId)).then(() => names.push('in an organization')),
    withoutOrg(db, inOrder(second.userId, first.userId)).then(() => names.push('without one')),
  ]);
  expect(names).toHaveLength(2);
  // Usually one of the two loses once; on a busy machine both may give up at the same moment, or one again.
  expect(calls).toBeGreaterThanOrEqual(3);
  const { rows } = await admin.query('SELECT display_name AS name FROM app.users WHERE id = ANY ($1)', [
    [first.userId, second.userId],
  ]);
  expect(rows).toEqual([{ name: 'x' }, { name: 'x' }]);
});

it('calls it four times and no more, and for no other failure twice', async () => {
  for (const [state, expected] of [
    ['40001', 4],
    ['40P01', 4],
    ['23505', 1],
    ['57014', 1],
  ] as const) {
    const raise = sql.raw(`DO $$ BEGIN RAISE 'refused' USING ERRCODE = '${state}'; END $$`);
    for (const door of [
      (fn: (tx: OrgTx | PlainTx) => Promise<unknown>) => withOrg(db, first.orgId, fn),
      (fn: (tx: OrgTx | PlainTx) => Promise<unknown>) => withoutOrg(db, fn),
    ]) {
      let calls = 0;
      const failed = door((tx) => {
        calls += 1;
        return tx.execute(raise);
      });
      expect(sqlStateOf(await failed.catch((error: unknown) => error))).toBe(state);
      expect(calls).toBe(expected);
    }
  }
});

/** A function that the first `count` callers wait in for each other; later ones pass. */
function barrier(count: number): () => Promise<void> {
  let left = count;
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return () => {
    left -= 1;
    if (left <= 0) open();
    return gate;
  };
}

it('refuses an id that is not a UUID before it opens a transaction', async () => {
  for (const orgId of ['', 'garbage', `${first.orgId} `, `${first.orgId}' --`, '{}']) {
    await expect(withOrg(db, orgId, async () => 1)).rejects.toThrow(TypeError);
  }
});

it('joins the outer transaction for the same organization', async () => {
  const seen = await withOrg(db, first.orgId, async (tx) => {
    await tx.update(workflows).set({ name: 'seen inside' });
    return await withOrg(db, first.orgId, (inner) => inner.select({ name: workflows.name }).from(workflows));
  });
  expect(seen).toEqual([{ name: 'seen inside' }]);
});

it('refuses another organization inside a transaction, and the outer one stays what it was', async () => {
  const seen = await withOrg(db, first.orgId, async (tx) => {
    await expect(withOrg(db, second.orgId, async () => 1)).rejects.toThrow(/inside a transaction of another/);
    await expect(withoutOrg(db, async () => 1)).rejects.toThrow(/inside another transaction/);
    return await tx.select({ id: workflows.id }).from(workflows);
  });
  expect(seen).toEqual([{ id: first.workflowId }]);
});

it('treats work that outlives its transaction as outside of it', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let later: Promise<unknown> = Promise.resolve();
  await withOrg(db, first.orgId, async () => {
    later = gate.then(() => idsOf(second.orgId));
  });
  release();
  expect(await later).toEqual([{ id: second.workflowId }]);
});

it('reaches people without an organization, and no tenant row', async () => {
  const id = newId();
  await withoutOrg(db, (tx) => tx.insert(users).values({ id, email: 'New@example.com' }));
  const found = await withoutOrg(db, (tx) => tx.select({ email: users.email }).from(users).where(eq(users.id, id)));
  expect(found).toEqual([{ email: 'New@example.com' }]);
  const bare = withoutOrg(db, (tx) => tx.select().from(workflows));
  expect(sqlStateOf(await bare.catch((error: unknown) => error))).toBe('WF001');
  const nested = withoutOrg(db, () => withOrg(db, first.orgId, async () => 1));
  await expect(nested).rejects.toThrow(/of none/);
});
