import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { isDatabaseUnavailable, sqlStateOf } from './failures.ts';
import { authorize } from './lookups.ts';
import { readRun } from './run-reads.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let tenants: SeededTenant[];
let db: Database;
const onError = vi.fn();

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  tenants = [await seedTenant(admin), await seedTenant(admin), await seedTenant(admin)];
});
beforeEach(() => {
  onError.mockClear();
  db = open();
});
afterEach(() => closeDatabase(db));
afterAll(async () => {
  await admin.end();
  await database.drop();
});

function open(url = database.apiUrl, prepared = true): Database {
  return connectDatabase({ url, poolSize: 1, prepared, applicationName: 'shared-test', onError });
}

const read = ({ orgId, workflowId, endedRunId }: SeededTenant, from = db) =>
  readRun(from, { orgId, workflowId, runId: endedRunId });
const select = (text: string, values: unknown[] = []) => db.sharedReads.query<{ value: unknown }>({ text, values });
const cut = () =>
  admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shared-test'`);

it.each([true, false])('answers each of many reads at once its own organization (prepared: %s)', async (prepared) => {
  const other = open(database.apiUrl, prepared);
  const asked = Array.from({ length: 300 }, (_, index) => tenants[index % tenants.length] as SeededTenant);
  const answers = await Promise.all(asked.map((tenant) => read(tenant, other)));
  expect(answers.map((answer) => answer?.run.organizationId)).toEqual(asked.map(({ orgId }) => orgId));
  const { rows } = await admin.query(`SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE application_name = 'shared-test' AND datname = current_database()`);
  expect(rows[0].count).toBeLessThanOrEqual(2);
  await closeDatabase(other);
});

it('leaves no organization behind between two reads on one connection', async () => {
  const reads = tenants.flatMap((tenant) => [read(tenant), select('SELECT count(*) FROM app.workflow_runs')]);
  const outcomes = await Promise.allSettled(reads);
  for (const [index, outcome] of outcomes.entries()) {
    if (index % 2 === 0) expect(outcome.status).toBe('fulfilled');
    else expect(sqlStateOf((outcome as PromiseRejectedResult).reason)).toBe('WF001');
  }
});

it('keeps a failed read to itself', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, index) => select('SELECT 12 / $1::integer AS value', [index % 3])),
  );
  for (const [index, outcome] of outcomes.entries()) {
    if (index % 3 === 0) expect(sqlStateOf((outcome as PromiseRejectedResult).reason)).toBe('22012');
    else expect(outcome).toMatchObject({ value: [{ value: 12 / (index % 3) }] });
  }
});

it('A2: authorizes while every place in the pool is taken by a transaction that waits', async () => {
  const [tenant] = tenants as [SeededTenant];
  const held = await db.pool.connect();
  try {
    await held.query('BEGIN');
    const waiting = db.pool.query('SELECT 1 AS one');
    expect(await authorize(db, tenant)).toEqual({ isSessionActive: true, roleKey: 'owner' });
    expect(db.pool.waitingCount).toBe(1);
    await held.query('COMMIT');
    held.release();
    await waiting;
  } catch (error) {
    held.release(true);
    throw error;
  }
});

it('reports a lost connection, fails what is under way as unavailable, and opens a new one for the next read', async () => {
  const [tenant] = tenants as [SeededTenant];
  expect(await read(tenant)).not.toBeNull();
  await cut();
  await vi.waitFor(() => expect(onError).toHaveBeenCalled(), { timeout: 5_000 });
  expect(await read(tenant)).not.toBeNull();
  const underWay = Array.from({ length: 4 }, () => select('SELECT pg_sleep(20)').catch((error: unknown) => error));
  await vi.waitFor(async () => {
    const { rows } = await admin.query(`SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)'`);
    expect(rows.length).toBe(2);
  });
  await cut();
  for (const failure of await Promise.all(underWay)) expect(isDatabaseUnavailable(failure)).toBe(true);
  expect(await select('SELECT 1 AS value')).toEqual([{ value: 1 }]);
});

it('fails as unavailable while there is no server, and tries again at the next read', async () => {
  const lost = open('postgres://app_api:x@127.0.0.1:1/none');
  const ask = () => authorize(lost, { sessionId: newId(), userId: newId(), orgId: null });
  for (const failure of await Promise.allSettled([ask(), ask(), ask()]))
    expect(isDatabaseUnavailable((failure as PromiseRejectedResult).reason)).toBe(true);
  await expect(ask()).rejects.toThrow();
  await closeDatabase(lost);
});

it('answers what is under way before it closes, and nothing after', async () => {
  const own = open();
  const [tenant] = tenants as [SeededTenant];
  await read(tenant, own);
  const underWay = Array.from({ length: 20 }, () => read(tenant, own));
  const closing = closeDatabase(own);
  expect((await Promise.all(underWay)).every((answer) => answer?.run.id === tenant.endedRunId)).toBe(true);
  await closing;
  await expect(read(tenant, own)).rejects.toThrow(/closed/);
});
