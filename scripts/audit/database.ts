import { closeDatabase, connectDatabase, type Database } from '../../packages/db/src/connect.ts';
import { isDatabaseUnavailable, sqlStateOf } from '../../packages/db/src/failures.ts';
import { SetupError } from '../services/failure.ts';

export interface Organization {
  id: string;
  slug: string;
}

/** When an organization was deleted, and where its audit log ended; 0 and null when it had no entry. */
export interface Tombstone {
  deletedAt: Date;
  seq: number;
  hash: Buffer | null;
}

/** Connects as the owner, to read only, and calls `use`. Throws SetupError for what the person can put right. */
export async function withOwner<T>(url: string, use: (db: Database) => Promise<T>): Promise<T> {
  const db = connectDatabase({
    url: readOnly(url),
    poolSize: 1,
    applicationName: 'millrace-audit-verify',
    onError: () => undefined, // the next query fails with it
  });
  try {
    await assertSeesEverything(db);
    return await use(db);
  } catch (error) {
    throw explain(error);
  } finally {
    await closeDatabase(db);
  }
}

/** All of them, or the one asked for; oldest first. */
export async function listOrganizations(db: Database, orgId: string | undefined): Promise<Organization[]> {
  const { rows } = await db.pool.query<Organization>(
    'SELECT id, slug FROM app.organizations WHERE $1::text IS NULL OR id::text = $1 ORDER BY created_at, id',
    [orgId ?? null],
  );
  if (orgId !== undefined && rows.length === 0) throw new SetupError(`There is no organization ${orgId}.`);
  return rows;
}

/** What is left of an organization that was deleted; undefined when nothing is. */
export async function findTombstone(db: Database, orgId: string): Promise<Tombstone | undefined> {
  const { rows } = await db.pool.query<{ deletedAt: Date; seq: string; hash: Buffer | null }>(
    'SELECT deleted_at AS "deletedAt", seq, hash FROM app.deleted_organizations WHERE id = $1',
    [orgId],
  );
  return rows[0] && { ...rows[0], seq: Number(rows[0].seq) };
}

function readOnly(url: string): string {
  const changed = URL.parse(url);
  if (!changed) throw new SetupError('DATABASE_URL is not a connection string.');
  const options = changed.searchParams.get('options') ?? '';
  changed.searchParams.set('options', `${options} -c default_transaction_read_only=on`.trim());
  return changed.href;
}

/** To any other login row-level security would show no organization at all, and none would be found broken. */
async function assertSeesEverything(db: Database): Promise<void> {
  const { rows } = await db.pool.query<{ name: string; isOwner: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolbypassrls OR (
       pg_has_role('app_owner', 'USAGE') AND pg_has_role('app_resolver', 'USAGE')) AS "isOwner"
     FROM pg_roles WHERE rolname = current_user`,
  );
  if (rows[0]?.isOwner) return;
  throw new SetupError(`The login ${rows[0]?.name} cannot see every organization; use the owner's, as for migrations.`);
}

function explain(error: unknown): unknown {
  if (error instanceof SetupError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (isDatabaseUnavailable(error)) return new SetupError(`The database cannot be reached: ${message}`);
  const state = sqlStateOf(error);
  // No such schema, table, column or role.
  if (state && ['3F000', '42P01', '42703', '42704'].includes(state))
    return new SetupError(`This database is not one of this version of Millrace: ${message}`);
  if (state?.startsWith('28')) return new SetupError(`The database refuses the login: ${message}`);
  return error;
}
