import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { assertRestrictedRole, closeDatabase, connectDatabase, type Database } from './connect.ts';
import { isDatabaseUnavailable, sqlStateOf, violatedUniqueKey } from './failures.ts';
import { claimRun } from './run-ownership.ts';
import { users } from './schema/users.ts';
import { withoutOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { seedQueuedRun, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

async function connected<T>(url: string, use: (db: Database) => Promise<T>, prepared = true): Promise<T> {
  const db = connectDatabase({ url, poolSize: 1, prepared, applicationName: 'connect-test', onError: () => {} });
  try {
    return await use(db);
  } finally {
    await closeDatabase(db);
  }
}

it('accepts the logins that row-level security binds', async () => {
  await connected(database.apiUrl, assertRestrictedRole);
  await connected(database.workerUrl, assertRestrictedRole);
});

it('refuses superusers, BYPASSRLS, CREATEROLE, members of other roles and owners, and says why', async () => {
  const name = `millrace_login_${randomBytes(4).toString('hex')}`;
  const url = new URL(database.adminUrl);
  url.username = name;
  url.password = 'secret';
  await expect(connected(database.adminUrl, assertRestrictedRole)).rejects.toThrow(/superuser/);
  await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret'`);
  try {
    const becomes = async (change: string, undo: string, reason: RegExp) => {
      await admin.query(change);
      await expect(connected(url.href, assertRestrictedRole)).rejects.toThrow(reason);
      await admin.query(undo);
    };
    await becomes(`ALTER ROLE ${name} BYPASSRLS`, `ALTER ROLE ${name} NOBYPASSRLS`, /BYPASSRLS/);
    await becomes(`ALTER ROLE ${name} CREATEROLE`, `ALTER ROLE ${name} NOCREATEROLE`, /CREATEROLE/);
    await becomes(`GRANT app_owner TO ${name}`, `REVOKE app_owner FROM ${name}`, /member of another role/);
    await becomes(`ALTER TABLE app.roles OWNER TO ${name}`, 'ALTER TABLE app.roles OWNER TO app_owner', /owns tables/);
    await becomes(
      `ALTER DATABASE ${database.name} OWNER TO ${name}`,
      `ALTER DATABASE ${database.name} OWNER TO CURRENT_USER`,
      /owns the database/,
    );
    await connected(url.href, assertRestrictedRole);
  } finally {
    await admin.query(`DROP ROLE ${name}`);
  }
});

it('survives a cut connection: the error is reported and the next query works', async () => {
  const onError = vi.fn();
  const db = connectDatabase({ url: database.apiUrl, poolSize: 1, applicationName: 'to-be-cut', onError });
  await db.pool.query('SELECT 1');
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to-be-cut'`);
  await vi.waitFor(() => expect(onError).toHaveBeenCalled(), { timeout: 5_000 });
  expect((await db.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  const cut = await db.pool.query('SELECT pg_terminate_backend(pg_backend_pid())').catch((error: unknown) => error);
  expect(isDatabaseUnavailable(cut)).toBe(true);
  await closeDatabase(db);
});

it('survives a connection that is cut in the middle of a transaction: its statement fails, and the process lives', async () => {
  const unhandled = vi.fn();
  process.once('uncaughtException', unhandled);
  const db = connectDatabase({ url: database.apiUrl, poolSize: 1, applicationName: 'cut-inside', onError: () => {} });
  const cutIt = () =>
    vi.waitUntil(
      async () => {
        const { rowCount } = await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'cut-inside' AND query LIKE '%pg_sleep%'`);
        return rowCount === 1;
      },
      { timeout: 10_000 },
    );
  const cut = await withoutOrg(db, (tx) => Promise.all([tx.execute('SELECT pg_sleep(30)'), cutIt()])).catch(
    (error: unknown) => error,
  );
  expect(isDatabaseUnavailable(cut)).toBe(true);
  expect((await db.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await closeDatabase(db);
  expect(unhandled).not.toHaveBeenCalled();
  process.removeListener('uncaughtException', unhandled);
});

it('tells an unreachable database from a refused statement', async () => {
  const nobody = 'postgres://app_api:x@127.0.0.1:1/none';
  const refused = await connected(nobody, (db) =>
    db.drizzle
      .select()
      .from(users)
      .catch((error: unknown) => error),
  );
  expect(isDatabaseUnavailable(refused)).toBe(true);
  expect(sqlStateOf(refused)).toBeNull();
  const wrong = await connected(database.apiUrl, (db) => db.pool.query('SELEC').catch((error: unknown) => error));
  expect(isDatabaseUnavailable(wrong)).toBe(false);
  expect(sqlStateOf(wrong)).toBe('42601');
  expect(isDatabaseUnavailable(new Error('something else'))).toBe(false);
});

it('names the unique key that refused a row, through the wrapping of the query builder', async () => {
  const tenant = await seedTenant(admin);
  const row = { id: tenant.orgId, email: `${tenant.userId}@EXAMPLE.com` };
  await connected(database.apiUrl, async (db) => {
    const twice = await db.drizzle
      .insert(users)
      .values(row)
      .catch((error: unknown) => error);
    expect(violatedUniqueKey(twice)).toBe('users_email_key');
    const other = await db.drizzle
      .insert(users)
      .values({ ...row, email: '' })
      .catch((error: unknown) => error);
    expect(violatedUniqueKey(other)).toBeNull();
    expect(sqlStateOf(other)).toBe('23514');
  });
});

it.each([
  [true, ['claim-runs']],
  [false, []],
])('sends hot statements by name only while prepared is %s', async (prepared, names) => {
  const tenant = await seedTenant(admin);
  const runId = await seedQueuedRun(admin, tenant);
  await connected(
    database.workerUrl,
    async (db) => {
      expect((await claimRun(db, { orgId: tenant.orgId, runId, leaseMs: 1_000 })).status).toBe('claimed');
      const { rows } = await db.pool.query<{ name: string }>('SELECT name FROM pg_prepared_statements');
      expect(rows.map((row) => row.name)).toEqual(names);
    },
    prepared,
  );
});
