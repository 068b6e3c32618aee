import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';

/** What every function of this package takes first. Programs close it with `closeDatabase`. */
export interface Database {
  readonly pool: pg.Pool;
  readonly drizzle: NodePgDatabase;
  /** Whether hot statements are sent as named prepared statements. */
  readonly isPrepared: boolean;
}

export interface ConnectOptions {
  url: string;
  poolSize: number;
  /** Off for poolers that lose named statements. */
  prepared?: boolean;
  applicationName: string;
  /** Called when an idle connection breaks. Without a listener one such event would end the process. */
  onError: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than any statement of ours takes: a connection silent for so long has lost its server without a word. */
const QUERY_TIMEOUT_MS = 20_000;

/** Opens no connection yet: the first query does. A query fails after 5 s when no connection can be had. */
export function connectDatabase(options: ConnectOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  pool.on('error', options.onError);
  return { pool, drizzle: drizzle(pool), isPrepared: options.prepared ?? true };
}

export async function closeDatabase(db: Database): Promise<void> {
  await db.pool.end();
}

/** Sends a hot statement, as a prepared one unless the settings forbid it. `name` must belong to one `text` only. */
export async function queryHot<Row extends pg.QueryResultRow>(
  db: Database,
  statement: { name: string; text: string },
  values: unknown[],
): Promise<Row[]> {
  const { name, text } = statement;
  const result = await db.pool.query<Row>(db.isPrepared ? { name, text, values } : { text, values });
  return result.rows;
}

/**
 * Throws when the login could step around row-level security: superuser, BYPASSRLS, CREATEROLE, member of any role, or
 * owner of anything in our schemas. Programs call it once at start.
 */
export async function assertRestrictedRole(db: Database): Promise<void> {
  const { rows } = await db.pool.query<{ name: string; reason: string | null }>(`
    SELECT r.rolname AS name, CASE
      WHEN r.rolsuper THEN 'it is a superuser'
      WHEN r.rolbypassrls THEN 'it has BYPASSRLS'
      WHEN r.rolcreaterole THEN 'it has CREATEROLE'
      WHEN EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) THEN 'it is a member of another role'
      WHEN EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database() AND d.datdba = r.oid)
        THEN 'it owns the database'
      WHEN EXISTS (SELECT FROM pg_namespace n WHERE n.nspname IN ('app', 'sys') AND n.nspowner = r.oid)
        OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname IN ('app', 'sys') AND c.relowner = r.oid)
        THEN 'it owns tables or schemas'
      END AS reason
    FROM pg_roles r WHERE r.rolname = session_user`);
  const role = rows[0];
  if (role?.reason === null) return;
  throw new Error(
    `The database login "${role?.name ?? 'unknown'}" must be one that row-level security binds, but ${role?.reason ?? 'it is unknown'}. Use app_api or app_worker.`,
  );
}
