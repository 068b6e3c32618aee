import { reportFigure } from '@millrace/shared/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sqlStateOf } from './failures.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

const TENANT_TABLES = [
  'api_keys',
  'audit_heads',
  'audit_log',
  'child_run_events',
  'failure_notice_settings',
  'failure_notices',
  'hook_deliveries',
  'idempotency_keys',
  'memberships',
  'org_mails',
  'org_run_limits',
  'organization_invitations',
  'organization_variables',
  'organizations',
  'run_retention_settings',
  'workflow_hooks',
  'workflow_pins',
  'workflow_run_attempts',
  'workflow_run_blobs',
  'workflow_run_calls',
  'workflow_run_events',
  'workflow_run_file_chunks',
  'workflow_run_files',
  'workflow_run_signals',
  'workflow_run_steps',
  'workflow_runs',
  'workflow_schedules',
  'workflow_versions',
  'workflows',
];
const LOGINS = ['app_api', 'app_worker'] as const;
const VERBS = ['select', 'insert', 'update', 'delete'] as const;

let database: TestDatabase;
let admin: pg.Pool;
let clients: Record<(typeof LOGINS)[number], pg.Client>;
let mine: SeededTenant;
let theirs: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  clients = {
    app_api: new pg.Client({ connectionString: database.apiUrl }),
    app_worker: new pg.Client({ connectionString: database.workerUrl }),
  };
  await Promise.all(LOGINS.map((login) => clients[login].connect()));
  mine = await seedTenant(admin);
  theirs = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), ...LOGINS.map((login) => clients[login].end())]);
  await database.drop();
});

/** Every wrong context a statement can come with, beside the one of another organization. */
const WRONG_CONTEXTS = (orgId: string) => [null, '', 'garbage', `${orgId}' OR true --`, '*'];
/** Statements that reached for a row of another organization or had no context, and were all refused. */
let refused = 0;

interface Outcome {
  state: string | null;
  rowCount: number;
}

/** Runs one statement in a transaction with this context and rolls it back. */
async function attempt(
  client: pg.Client,
  context: string | null,
  text: string,
  values: unknown[] = [],
): Promise<Outcome> {
  await client.query('BEGIN');
  try {
    if (context !== null) await client.query(`SELECT set_config('app.current_org_id', $1, true)`, [context]);
    const { rowCount } = await client.query(text, values);
    return { state: null, rowCount: rowCount ?? 0 };
  } catch (error) {
    return { state: sqlStateOf(error) ?? String(error), rowCount: 0 };
  } finally {
    await client.query('ROLLBACK');
  }
}

const orgColumn = (table: string) => (table === 'organizations' ? 'id' : 'org_id');

async function isAllowed(login: string, table: string, verb: string): Promise<boolean> {
  const { rows } = await admin.query<{ allowed: boolean }>(
    `SELECT has_table_privilege($1, $2, $3) OR ($3 = 'update' AND has_any_column_privilege($1, $2, 'update')) AS allowed`,
    [login, `app.${table}`, verb],
  );
  return rows[0]?.allowed ?? false;
}

/** All but those that the database makes of others. */
async function writtenColumns(table: string): Promise<string> {
  const { rows } = await admin.query<{ columns: string }>(
    `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    [`app.${table}`],
  );
  return rows[0]?.columns ?? '';
}

/** The statement that would touch the other organization's row if anything let it. */
async function attack(login: string, table: string, verb: string): Promise<{ text: string; values: unknown[] }> {
  const where = `WHERE ${orgColumn(table)} = $1`;
  if (verb === 'select') return { text: `SELECT * FROM app.${table} ${where}`, values: [theirs.orgId] };
  if (verb === 'delete') return { text: `DELETE FROM app.${table} ${where}`, values: [theirs.orgId] };
  if (verb === 'insert') {
    const { rows } = await admin.query(`SELECT to_jsonb(t) AS row FROM app.${table} t ${where}`, [theirs.orgId]);
    expect(rows.length, `${table} must be seeded`).toBeGreaterThan(0);
    const columns = await writtenColumns(table);
    return {
      text: `INSERT INTO app.${table} (${columns}) SELECT ${columns} FROM jsonb_populate_record(NULL::app.${table}, $1)`,
      values: [rows[0].row],
    };
  }
  const { rows } = await admin.query<{ attname: string }>(
    `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY has_column_privilege($2, attrelid, attname, 'update') DESC, attnum LIMIT 1`,
    [`app.${table}`, login],
  );
  const column = rows[0]?.attname;
  return { text: `UPDATE app.${table} SET ${column} = ${column} ${where}`, values: [theirs.orgId] };
}

it('covers every table that belongs to an organization', async () => {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'
       AND relname NOT IN ('users', 'auth_sessions', 'roles', 'account_tokens', 'account_mails', 'user_identities',
         'oauth_flows', 'deleted_organizations')
       ORDER BY 1`,
  );
  expect(rows.map((row) => row.name)).toEqual(TENANT_TABLES);
});

describe.each(LOGINS)('%s', (login) => {
  describe.each(TENANT_TABLES)('on %s', (table) => {
    it.each(VERBS)('may not %s without a valid context', async (verb) => {
      const { text, values } = await attack(login, table, verb);
      const expected = (await isAllowed(login, table, verb)) ? 'WF001' : '42501';
      const unconditional = verb === 'select' ? `SELECT * FROM app.${table}` : null;
      for (const context of WRONG_CONTEXTS(theirs.orgId)) {
        expect(await attempt(clients[login], context, text, values)).toEqual({ state: expected, rowCount: 0 });
        refused += 1;
        if (unconditional) {
          expect(await attempt(clients[login], context, unconditional)).toEqual({ state: expected, rowCount: 0 });
        }
      }
    });

    it.each(VERBS)('may not %s a row of another organization', async (verb) => {
      const { text, values } = await attack(login, table, verb);
      const outcome = await attempt(clients[login], mine.orgId, text, values);
      const isError = verb === 'insert' || !(await isAllowed(login, table, verb));
      expect(outcome).toEqual({ state: isError ? '42501' : null, rowCount: 0 });
      refused += 1;
    });

    it('sees its own rows and no others where it may read', async () => {
      if (!(await isAllowed(login, table, 'select'))) return;
      const client = clients[login];
      await client.query('BEGIN');
      await client.query(`SELECT set_config('app.current_org_id', $1, true)`, [mine.orgId]);
      const { rows } = await client.query(`SELECT ${orgColumn(table)} AS org FROM app.${table}`);
      await client.query('ROLLBACK');
      expect(new Set(rows.map((row) => row.org))).toEqual(new Set([mine.orgId]));
    });
  });

  it('cannot leave its role, switch policies off or create anything', async () => {
    const refused = [
      'SET ROLE app_owner',
      'SET ROLE app_resolver',
      'SET SESSION AUTHORIZATION app_owner',
      'ALTER TABLE app.workflow_runs DISABLE ROW LEVEL SECURITY',
      'TRUNCATE app.workflow_runs CASCADE',
      'CREATE TEMPORARY TABLE memberships (a integer)',
      'CREATE TABLE public.t (a integer)',
      'CREATE TABLE app.t (a integer)',
      'CREATE FUNCTION sys.f() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
      `COPY app.workflow_runs FROM PROGRAM 'true'`,
    ];
    for (const text of refused) {
      expect({ text, ...(await attempt(clients[login], mine.orgId, text)) }).toEqual({
        text,
        state: '42501',
        rowCount: 0,
      });
    }
    const client = clients[login];
    await client.query('BEGIN');
    await client.query('SET LOCAL row_security = off');
    await expect(client.query('SELECT * FROM app.workflow_runs')).rejects.toThrow(/row-level security/);
    await client.query('ROLLBACK');
  });
});

describe('the worker', () => {
  it('reaches no people, no sessions and no memberships', async () => {
    for (const table of [
      'users',
      'auth_sessions',
      'roles',
      'memberships',
      'organizations',
      'organization_invitations',
    ]) {
      const outcome = await attempt(clients.app_worker, mine.orgId, `SELECT FROM app.${table}`);
      expect({ table, ...outcome }).toEqual({ table, state: '42501', rowCount: 0 });
    }
  });

  it('cannot touch what a run was started with', async () => {
    const statements = [
      `UPDATE app.workflows SET name = 'x'`,
      `UPDATE app.workflow_versions SET definition = '{}'`,
      'UPDATE app.workflow_runs SET version = 2',
      `UPDATE app.workflow_runs SET input = '1'`,
      'DELETE FROM app.workflow_runs',
      'DELETE FROM app.workflow_run_steps',
    ];
    for (const text of statements) {
      expect((await attempt(clients.app_worker, mine.orgId, text)).state).toBe('42501');
    }
  });
});

describe('keys between tables', () => {
  const insert = (text: string, values: unknown[]) => attempt(clients.app_api, mine.orgId, text, values);

  it('cannot point at a row of another organization', async () => {
    const run = `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, retry_of_run_id)
      VALUES ($1, gen_random_uuid(), $2, 1, 'trigger.manual', $3)`;
    expect((await insert(run, [mine.orgId, mine.workflowId, mine.endedRunId])).state).toBeNull();
    expect((await insert(run, [mine.orgId, theirs.workflowId, null])).state).toBe('23503');
    expect((await insert(run, [mine.orgId, mine.workflowId, theirs.endedRunId])).state).toBe('23503');
    const version = `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 2, '{}')`;
    expect((await insert(version, [mine.orgId, mine.workflowId])).state).toBeNull();
    expect((await insert(version, [mine.orgId, theirs.workflowId])).state).toBe('23503');
    const step = `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status)
      VALUES ($1, $2, 'x', 'transform', 'running')`;
    const asWorker = (runId: string) => attempt(clients.app_worker, mine.orgId, step, [mine.orgId, runId]);
    expect((await asWorker(mine.endedRunId)).state).toBeNull();
    expect((await asWorker(theirs.endedRunId)).state).toBe('23503');
    const signal = `INSERT INTO app.workflow_run_signals (org_id, run_id, number, type) VALUES ($1, $2, 2, 'cancel')`;
    expect((await insert(signal, [mine.orgId, mine.endedRunId])).state).toBeNull();
    expect((await insert(signal, [mine.orgId, theirs.endedRunId])).state).toBe('23503');
    const call = `INSERT INTO app.workflow_run_calls (org_id, run_id, step_key) VALUES ($1, $2, 'x')`;
    expect((await insert(call, [mine.orgId, mine.endedRunId])).state).toBeNull();
    expect((await insert(call, [mine.orgId, theirs.endedRunId])).state).toBe('23503');
    const taken = `INSERT INTO app.workflow_run_attempts (org_id, run_id, step_key, attempt, lease_token)
      VALUES ($1, $2, 'x', 1, 1)`;
    const take = (runId: string) => attempt(clients.app_worker, mine.orgId, taken, [mine.orgId, runId]);
    expect((await take(mine.endedRunId)).state).toBeNull();
    expect((await take(theirs.endedRunId)).state).toBe('23503');
    const event = `INSERT INTO app.workflow_run_events (org_id, run_id, number, entries) VALUES ($1, $2, 2, '[]')`;
    expect((await insert(event, [mine.orgId, mine.endedRunId])).state).toBeNull();
    expect((await insert(event, [mine.orgId, theirs.endedRunId])).state).toBe('23503');
  });

  it('cannot move a row into another organization', async () => {
    const move = 'UPDATE app.workflows SET org_id = $1';
    expect((await insert(move, [theirs.orgId])).state).toBe('42501');
  });
});

describe('rows that never change', () => {
  it('let go of the run they retried when it is deleted, and of nothing else', async () => {
    const tenant = await seedTenant(admin);
    const { rows } = await admin.query(
      `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, retry_of_run_id, status, finished_at)
       SELECT org_id, gen_random_uuid(), workflow_id, 1, trigger_type, id, 'failed', now()
       FROM app.workflow_runs WHERE id = $1 RETURNING *`,
      [tenant.endedRunId],
    );
    await admin.query('DELETE FROM app.workflow_runs WHERE id = $1', [tenant.endedRunId]);
    const after = await admin.query('SELECT * FROM app.workflow_runs WHERE id = $1', [rows[0].id]);
    expect(after.rows).toEqual([{ ...rows[0], retry_of_run_id: null }]);
  });

  it('keep a published version as it is, even for a superuser', async () => {
    const change = admin.query(`UPDATE app.workflow_versions SET note = 'x' WHERE org_id = $1`, [mine.orgId]);
    expect(sqlStateOf(await change.catch((error: unknown) => error))).toBe('WF002');
  });

  it('keep the timeline of a run as it is, even for a superuser', async () => {
    const change = admin.query(`UPDATE app.workflow_run_events SET entries = '[]' WHERE org_id = $1`, [mine.orgId]);
    expect(sqlStateOf(await change.catch((error: unknown) => error))).toBe('WF002');
    for (const login of LOGINS) {
      const change = await attempt(clients[login], mine.orgId, `UPDATE app.workflow_run_events SET entries = '[]'`);
      expect(change.state).toBe('42501');
      expect((await attempt(clients[login], mine.orgId, 'DELETE FROM app.workflow_run_events')).state).toBe('42501');
    }
  });

  it('keep the audit log append-only for the API', async () => {
    expect((await attempt(clients.app_api, mine.orgId, `UPDATE app.audit_log SET action = 'x'`)).state).toBe('42501');
    expect((await attempt(clients.app_api, mine.orgId, 'DELETE FROM app.audit_log')).state).toBe('42501');
  });

  it('all go when the API deletes their organization, and nobody else’s do', async () => {
    const gone = await seedTenant(admin);
    const client = clients.app_api;
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.current_org_id', $1, true)`, [gone.orgId]);
    const { rowCount } = await client.query('DELETE FROM app.organizations WHERE id = $1', [gone.orgId]);
    await client.query('COMMIT');
    expect(rowCount).toBe(1);
    for (const table of TENANT_TABLES) {
      const { rows } = await admin.query(
        `SELECT count(*) FILTER (WHERE ${orgColumn(table)} = $1)::integer AS gone,
           count(*) FILTER (WHERE ${orgColumn(table)} = $2)::integer AS kept FROM app.${table}`,
        [gone.orgId, mine.orgId],
      );
      expect({ table, ...rows[0] }).toEqual({ table, gone: 0, kept: 1 });
    }
  });
});

it('every statement without its own organization’s context was refused, on every table, by every verb and login', () => {
  const contexts = WRONG_CONTEXTS(theirs.orgId).length + 1;
  expect(refused).toBe(TENANT_TABLES.length * contexts * VERBS.length * LOGINS.length);
  reportFigure(
    'RLS strictness',
    `${TENANT_TABLES.length} tables x ${contexts} contexts x ${VERBS.length} verbs x ${LOGINS.length} logins: ${refused} statements, 100 % refused`,
  );
});
