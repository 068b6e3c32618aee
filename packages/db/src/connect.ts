import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { onConnection } from './lost-backends.ts';
import { openSharedReads, type SharedReads } from './shared-reads.ts';

/** What every function of this package takes first. Programs close it with `closeDatabase`. */
export interface Database {
  readonly pool: pg.Pool;
  readonly drizzle: NodePgDatabase;
  /** For what every request begins with: who is calling. */
  readonly sharedReads: SharedReads;
  /** For reading runs, which may be large: one that is slow holds up reads of runs, and nobody's authorization. */
  readonly runReads: SharedReads;
  /** Whether hot statements are sent as named prepared statements. */
  readonly isPrepared: boolean;
  readonly admission: Admission;
}

/** How much of what is queued goes on, and how much may be queued; an organization may have limits of its own. */
export interface Admission {
  /** Runs of one organization of weight 1 that were given to workers and not claimed yet. */
  window: number;
  /** Queued runs of one organization. */
  mostQueuedRuns: number;
}

export interface ConnectOptions {
  url: string;
  poolSize: number;
  /** Off for poolers that lose named statements. */
  prepared?: boolean;
  admission?: Admission;
  applicationName: string;
  /** Called when an idle connection breaks. Without a listener one such event would end the process. */
  onError: (error: Error) => void;
}

export const DEFAULT_ADMISSION: Admission = { window: 32, mostQueuedRuns: 100_000 };
/** Of each kind, beside the pool, and only once they are needed. Two, so that a slow answer does not hold up all others. */
const SHARED_CONNECTIONS = 2;
const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than any statement of ours takes: a connection silent for so long has lost its server without a word. */
const QUERY_TIMEOUT_MS = 20_000;

/** Opens no connection yet: the first query does. A query fails after 5 s when no connection can be had. */
export function connectDatabase(options: ConnectOptions): Database {
  const { url, poolSize, prepared = true, admission = DEFAULT_ADMISSION, applicationName, onError } = options;
  const config = {
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  };
  const pool = new pg.Pool({ ...config, max: poolSize });
  pool.on('error', onError);
  // A connection that breaks while somebody holds it fails their statement and is an event besides. Without a listener
  // that event would end the process; the pool listens to idle connections only.
  pool.on('connect', (client) => client.on('error', () => {}));
  const lines = { connections: SHARED_CONNECTIONS, onError };
  const sharedReads = openSharedReads(config, lines);
  const runReads = openSharedReads(config, lines);
  return { pool, drizzle: drizzle(pool), sharedReads, runReads, isPrepared: prepared, admission };
}

export async function closeDatabase(db: Database): Promise<void> {
  await Promise.all([db.pool.end(), db.sharedReads.close(), db.runReads.close()]);
}

interface HotStatement {
  /** Must belong to one `text` only. */
  name: string;
  text: string;
}

/** Sends a hot statement, as a prepared one unless the settings forbid it. */
export async function queryHot<Row extends pg.QueryResultRow>(
  db: Database,
  statement: HotStatement,
  values: unknown[],
): Promise<Row[]> {
  return (await onConnection(db, (client) => client.query<Row>(configOf(db, statement, values)))).rows;
}

/** The same on a connection that it shares with other reads; see SharedReads for what may go there. */
export async function readHot<Row extends pg.QueryResultRow>(
  db: Database,
  statement: HotStatement,
  values: unknown[],
  lines: SharedReads = db.sharedReads,
): Promise<Row[]> {
  return lines.query<Row>(configOf(db, statement, values));
}

function configOf(db: Database, { name, text }: HotStatement, values: unknown[]): pg.QueryConfig {
  return db.isPrepared ? { name, text, values } : { text, values };
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
