import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';

export interface MigrateOptions {
  /** The database's owner: a superuser, or a user with CREATEROLE. Must reach PostgreSQL itself, not a pooler. */
  url: string;
  /** Given: becomes the password of the login app_api, respectively app_worker. Absent: it is left as it is. */
  apiPassword?: string;
  workerPassword?: string;
}

export const migrationsFolder: string = fileURLToPath(new URL('../migrations', import.meta.url));

/** An arbitrary number; advisory locks are per database, so it only has to differ from our other ones. */
const MIGRATION_LOCK = 7303000;

/**
 * Brings roles, schema and grants up to date and answers how many migrations it applied. Any number of processes may
 * call it at once: they take turns under an advisory lock. All migrations commit together or not at all.
 */
export async function migrateDatabase(options: MigrateOptions): Promise<number> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'millrace-migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await prepareRoles(client);
    await setPassword(client, 'app_api', options.apiPassword);
    await setPassword(client, 'app_worker', options.workerPassword);
    await client.query('SET ROLE app_owner');
    const before = await countMigrations(client);
    await migrate(drizzle(client), { migrationsFolder, migrationsSchema: 'migrations' });
    return (await countMigrations(client)) - before;
  } finally {
    await client.end();
  }
}

async function prepareRoles(client: pg.Client): Promise<void> {
  const sql = readFileSync(`${migrationsFolder}/roles.sql`, 'utf8');
  await againWhenConcurrent(() => client.query(sql));
}

/** ALTER ROLE takes no parameters, so PostgreSQL itself quotes the text; it stores a SCRAM verifier. */
async function setPassword(client: pg.Client, role: string, password: string | undefined): Promise<void> {
  if (password === undefined) return;
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text) AS statement`,
    [role, password],
  );
  const statement = rows[0]?.statement;
  if (!statement) throw new Error('format() answered nothing');
  await client.query(`SET password_encryption = 'scram-sha-256'`);
  await againWhenConcurrent(() => client.query(statement));
}

/**
 * Roles belong to the whole cluster and advisory locks to one database: two databases migrated at once may touch the
 * same role, which PostgreSQL answers with XX000 "tuple concurrently updated" (or 40001). A later try finds it free.
 */
async function againWhenConcurrent(run: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await run();
      return;
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      if ((code !== 'XX000' && code !== '40001') || tries === 20) throw error;
      await delay(25 * tries);
    }
  }
}

async function countMigrations(client: pg.Client): Promise<number> {
  const table = await client.query<{ exists: boolean }>(
    `SELECT to_regclass('migrations.__drizzle_migrations') IS NOT NULL AS exists`,
  );
  if (!table.rows[0]?.exists) return 0;
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM migrations.__drizzle_migrations',
  );
  return rows[0]?.count ?? 0;
}
