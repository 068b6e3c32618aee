import pg from 'pg';
import { migrateDatabase } from '../../packages/db/src/migrate.ts';
import { loadOrCreateSecret } from '../services/secrets.ts';

/** The database of the embedded server. */
export const DATABASE_NAME = 'millrace';

interface DatabaseSettings {
  /** The owner's connection string. */
  ownerUrl: string;
  /** The programs' own connection strings when the environment names them. */
  apiUrl: string | undefined;
  workerUrl: string | undefined;
  secretsDir: string;
}

export interface Database {
  apiUrl: string;
  workerUrl: string;
  appliedCount: number;
}

/**
 * Migrates and makes the two logins of the programs work. A login whose connection string comes from the environment
 * keeps the password it has; the other one gets a generated one.
 */
export async function prepareDatabase(settings: DatabaseSettings): Promise<Database> {
  const apiPassword = settings.apiUrl ? undefined : await loadOrCreateSecret(settings.secretsDir, 'app-api-password');
  const workerPassword = settings.workerUrl
    ? undefined
    : await loadOrCreateSecret(settings.secretsDir, 'app-worker-password');
  const appliedCount = await migrateDatabase({
    url: settings.ownerUrl,
    ...(apiPassword && { apiPassword }),
    ...(workerPassword && { workerPassword }),
  });
  return {
    apiUrl: settings.apiUrl ?? withLogin(settings.ownerUrl, 'app_api', apiPassword),
    workerUrl: settings.workerUrl ?? withLogin(settings.ownerUrl, 'app_worker', workerPassword),
    appliedCount,
  };
}

/** Creates the database of the embedded server unless it is there. */
export async function createDatabase(adminUrl: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE_NAME]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE_NAME}`);
  });
}

/** Whether nobody has signed up yet. The url is that of a superuser, whom row-level security does not bind. */
export async function isDatabaseUnused(url: string): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rowCount } = await client.query('SELECT FROM app.users LIMIT 1');
    return rowCount === 0;
  });
}

function withLogin(ownerUrl: string, user: string, password: string | undefined): string {
  const url = new URL(ownerUrl);
  url.username = user;
  url.password = password ?? '';
  return url.href;
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'millrace-start' });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
