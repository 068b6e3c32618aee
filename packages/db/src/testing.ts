import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { migrateDatabase, migrationsFolder } from './migrate.ts';

/** One database per test file, copied in well under a second from a template that is migrated once. */

export interface TestDatabase {
  name: string;
  /** As the superuser: for seeding, planting faults and looking around. */
  adminUrl: string;
  apiUrl: string;
  workerUrl: string;
  /** Also ends whoever is still connected. */
  drop(): Promise<void>;
}

/** Known to all tests: they may run against one cluster at the same time, and passwords belong to the cluster. */
const API_PASSWORD = 'test-api';
const WORKER_PASSWORD = 'test-worker';
const TEMPLATE_LOCK = 7303002;

/**
 * Makes the template database unless it is there and answers its name, which is taken from the migrations' contents:
 * checkouts side by side do not disturb each other. Safe to call at once from several processes. `adminUrl` is a
 * superuser on a database other than the template.
 */
export async function prepareTemplate(adminUrl: string): Promise<string> {
  const name = templateName();
  await withClient(adminUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rows } = await client.query('SELECT FROM pg_database WHERE datname = $1 AND datistemplate', [name]);
    if (rows.length > 0) return;
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
    await migrateDatabase({
      url: withDatabase(adminUrl, name),
      apiPassword: API_PASSWORD,
      workerPassword: WORKER_PASSWORD,
    });
    // Nobody may connect from now on: a copy fails while somebody is connected to its template.
    await client.query(`ALTER DATABASE ${name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  });
  return name;
}

/** A fresh, migrated, empty database of its own. Without an argument the cluster is the one the test set-up names. */
export async function createTestDatabase(adminUrl: string = testClusterUrl()): Promise<TestDatabase> {
  const template = await prepareTemplate(adminUrl);
  const name = `millrace_test_${randomBytes(8).toString('hex')}`;
  await withClient(adminUrl, async (client) => {
    await copyTemplate(client, template, name);
    // Grants on a database itself are not copied with it.
    await client.query(`REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC`);
    await client.query(`GRANT CREATE ON DATABASE ${name} TO app_owner`);
  });
  return {
    name,
    adminUrl: withDatabase(adminUrl, name),
    apiUrl: withDatabase(adminUrl, name, { user: 'app_api', password: API_PASSWORD }),
    workerUrl: withDatabase(adminUrl, name, { user: 'app_worker', password: WORKER_PASSWORD }),
    drop: () => withClient(adminUrl, (client) => dropDatabase(client, name)),
  };
}

/** The superuser URL that the test set-up puts into the environment. */
export function testClusterUrl(): string {
  const url = process.env.MILLRACE_TEST_DATABASE_URL;
  if (!url) throw new Error('MILLRACE_TEST_DATABASE_URL is not set: run the tests with npm test');
  return url;
}

/**
 * A closed connection lives on in the server for a moment; cutting it then would reach its client as an error that nobody
 * waits for. So connections get time to go by themselves before the rest is cut.
 */
async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  for (let tries = 1; tries <= 40; tries += 1) {
    const { rows } = await client.query('SELECT FROM pg_stat_activity WHERE datname = $1 LIMIT 1', [name]);
    if (rows.length === 0) break;
    await delay(50);
  }
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function copyTemplate(client: pg.Client, template: string, name: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
      return;
    } catch (error) {
      // 55006 object_in_use: "source database is being accessed by other users"
      if (!(error instanceof pg.DatabaseError) || error.code !== '55006' || tries === 20) throw error;
      await delay(50 * tries);
    }
  }
}

function templateName(): string {
  const hash = createHash('sha256').update(readFileSync(new URL('./migrate.ts', import.meta.url)));
  for (const file of readdirSync(migrationsFolder).sort()) {
    if (file.endsWith('.sql')) hash.update(file).update(readFileSync(`${migrationsFolder}/${file}`));
  }
  return `millrace_template_${hash.digest('hex').slice(0, 12)}`;
}

function withDatabase(url: string, database: string, login?: { user: string; password: string }): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  if (login) {
    changed.username = login.user;
    changed.password = login.password;
  }
  return changed.href;
}

async function withClient(url: string, fn: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await fn(client);
  } finally {
    await client.end();
  }
}
