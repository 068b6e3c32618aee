import type pg from 'pg';

/** For tests that look for one organization's data in what another one gets to see. */

interface Column {
  table: string;
  name: string;
  type: 'text' | 'jsonb' | 'text[]';
}

/** 12 characters of [a-z0-9] that fit wherever a text may stand: names, slugs, hints. */
export type Marker = string;

/**
 * Writes the marker into every text, text[] and jsonb column of the organization's rows. Answers the columns that cannot
 * hold it, as `table.column`: those with a fixed set of values, and the ones in `except`. Throws for a tenant table without
 * a row. `admin` is a superuser; nobody else may be using these tables.
 */
export async function markTenant(
  admin: pg.Pool,
  orgId: string,
  marker: Marker,
  except: readonly string[],
): Promise<string[]> {
  const client = await admin.connect();
  const unmarked: string[] = [];
  try {
    await client.query('BEGIN');
    for (const column of await tenantColumns(client)) {
      const isMarked = !except.includes(nameOf(column)) && (await markColumn(client, column, orgId, marker));
      if (!isMarked) unmarked.push(nameOf(column));
    }
    await client.query(
      `UPDATE app.users SET display_name = $2, email = $2 || '-' || id || '@example.com'
       WHERE id IN (SELECT user_id FROM app.memberships WHERE org_id = $1)`,
      [orgId, marker],
    );
    await client.query('COMMIT');
  } finally {
    client.release(true);
  }
  return unmarked;
}

/** Every id in the organization's rows: its objects, its people, and its own. */
export async function idsOfTenant(admin: pg.Pool, orgId: string): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>(
    `SELECT DISTINCT found[1] AS id FROM (${await tenantRows(admin)}) r,
       regexp_matches(r.row, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'g') AS found`,
    [orgId],
  );
  return rows.map(({ id }) => id);
}

/** All rows of the organization and of its people, as one hash. */
export async function digestOfTenant(admin: pg.Pool, orgId: string): Promise<string> {
  const { rows } = await admin.query<{ hash: string }>(
    `SELECT md5(string_agg(row, '|' ORDER BY row)) AS hash FROM (${await tenantRows(admin)}) r`,
    [orgId],
  );
  return rows[0]?.hash ?? '';
}

async function tenantRows(admin: pg.Pool): Promise<string> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
     WHERE table_schema = 'app' AND column_name = 'org_id' ORDER BY 1`,
  );
  return [
    ...rows.map(({ name }) => `SELECT '${name}' || t::text AS row FROM app.${name} t WHERE org_id = $1`),
    'SELECT t::text FROM app.organizations t WHERE id = $1',
    'SELECT t::text FROM app.users t WHERE id IN (SELECT user_id FROM app.memberships WHERE org_id = $1)',
  ].join(' UNION ALL ');
}

async function tenantColumns(client: pg.PoolClient): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT c.relname AS table, a.attname AS name, b.type
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     JOIN pg_type t ON t.oid = a.atttypid
     CROSS JOIN format_type(coalesce(nullif(t.typbasetype, 0), t.oid), a.atttypmod) AS b (type)
     WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r'
       AND b.type IN ('text', 'jsonb', 'text[]')
       AND (c.relname = 'organizations'
         OR EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'org_id'))
     ORDER BY 1, 2`,
  );
  return rows;
}

/** False when a constraint refuses the marker. Triggers that keep rows from changing are no obstacle. */
async function markColumn(client: pg.PoolClient, column: Column, orgId: string, marker: Marker): Promise<boolean> {
  const { table, name, type } = column;
  // As an error of a run and as a workflow's document it is well formed too.
  const object = { code: marker, message: marker, version: 'v2', marker };
  const json = name === 'entries' ? [object] : object; // a run's timeline is a list
  const values = { text: marker, 'text[]': [marker], jsonb: JSON.stringify(json) };
  await client.query(`SAVEPOINT one; ALTER TABLE app.${table} DISABLE TRIGGER USER`);
  try {
    const key = table === 'organizations' ? 'id' : 'org_id';
    const { rowCount } = await client.query(`UPDATE app.${table} SET ${name} = $2 WHERE ${key} = $1`, [
      orgId,
      values[type],
    ]);
    if (rowCount === 0) throw new Error(`${table} has no row of the organization to mark`);
    await client.query(`SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE app.${table} ENABLE TRIGGER USER`);
    return true;
  } catch (error) {
    const isRefused = error instanceof Error && 'code' in error && /^23/.test(String(error.code));
    if (!isRefused) throw error;
    await client.query('ROLLBACK TO one');
    return false;
  }
}

function nameOf({ table, name }: Column): string {
  return `${table}.${name}`;
}
