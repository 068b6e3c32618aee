import { reportFigure } from '@millrace/shared/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lintCatalogue, RULES } from './catalogue-lint.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

it('finds nothing in the migrated database', async () => {
  expect(await lintCatalogue(client)).toEqual([]);
});

/** Everything a tenant table needs, so that each fault below is the only one. */
const GOOD_TABLE = `
  SET LOCAL ROLE app_owner;
  CREATE TABLE app.things (org_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (org_id, id));
  ALTER TABLE app.things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON app.things FOR ALL TO app_api USING (org_id = (SELECT app.current_org_id()));`;

const FAULTS: [fault: string, plant: string, problem: RegExp][] = [
  [
    'a table without row-level security',
    `${GOOD_TABLE} ALTER TABLE app.things DISABLE ROW LEVEL SECURITY`,
    /^things lacks/,
  ],
  [
    'a table whose owner is exempt',
    `${GOOD_TABLE} ALTER TABLE app.things NO FORCE ROW LEVEL SECURITY`,
    /^things lacks/,
  ],
  [
    'an existing table that lost FORCE',
    'ALTER TABLE app.workflow_runs NO FORCE ROW LEVEL SECURITY',
    /^workflow_runs lacks/,
  ],
  [
    'a table without an organization',
    `SET LOCAL ROLE app_owner; CREATE TABLE app.things (id uuid PRIMARY KEY);
     ALTER TABLE app.things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    /^things has no organization column/,
  ],
  [
    'a nullable organization',
    `${GOOD_TABLE} ALTER TABLE app.things DROP CONSTRAINT things_pkey; ALTER TABLE app.things ALTER org_id DROP NOT NULL`,
    /^things has no organization column/,
  ],
  [
    'an object of another owner',
    `${GOOD_TABLE} RESET ROLE; ALTER TABLE app.things OWNER TO SESSION_USER`,
    /things is not owned/,
  ],
  ['a schema of another owner', 'ALTER SCHEMA sys OWNER TO SESSION_USER', /^schema sys is not owned/],
  [
    'a view with its owner’s rights',
    'CREATE VIEW app.v AS SELECT 1 AS one; ALTER VIEW app.v OWNER TO app_owner',
    /^app\.v is a view/,
  ],
  [
    'a materialized view',
    'CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS one; ALTER MATERIALIZED VIEW app.m OWNER TO app_owner',
    /^app\.m is a materialized view/,
  ],
  ['a shared sequence', 'SET LOCAL ROLE app_owner; CREATE SEQUENCE app.s', /^app\.s is a sequence/],
  [
    'a foreign key on the id alone',
    `${GOOD_TABLE} ALTER TABLE app.things ADD CONSTRAINT loose UNIQUE (id);
     ALTER TABLE app.things ADD parent uuid REFERENCES app.things (id)`,
    /foreign key things_parent_fkey does not carry/,
  ],
  [
    'a foreign key with the organization in the wrong place',
    `${GOOD_TABLE} ALTER TABLE app.things ADD other uuid;
     ALTER TABLE app.things ADD CONSTRAINT crossed FOREIGN KEY (other, id) REFERENCES app.things (org_id, id)`,
    /foreign key crossed does not carry/,
  ],
  [
    'a unique key across organizations',
    `${GOOD_TABLE} CREATE UNIQUE INDEX loose ON app.things (id)`,
    /loose is unique but/,
  ],
  [
    'a policy without the context',
    `${GOOD_TABLE} CREATE POLICY open ON app.things FOR SELECT TO app_api USING (true)`,
    /^things: policy open does not ask/,
  ],
  [
    'a policy that checks reads but not writes',
    `${GOOD_TABLE} ALTER POLICY tenant ON app.things WITH CHECK (true)`,
    /^things: policy tenant does not ask/,
  ],
  [
    'a policy that asks once per row',
    `${GOOD_TABLE} ALTER POLICY tenant ON app.things USING (org_id = app.current_org_id())`,
    /^things: policy tenant does not ask/,
  ],
  [
    'a policy with a way around the context',
    `${GOOD_TABLE} ALTER POLICY tenant ON app.things USING (org_id = (SELECT app.current_org_id()) OR id IS NOT NULL)`,
    /^things: policy tenant does not ask/,
  ],
  [
    'a policy that compares another column',
    `${GOOD_TABLE} ALTER POLICY tenant ON app.things USING (id = (SELECT app.current_org_id()))`,
    /^things: policy tenant does not ask/,
  ],
  [
    'a look-up policy that deletes',
    `${GOOD_TABLE} CREATE POLICY sweep ON app.things FOR DELETE TO app_resolver USING (true)`,
    /^things: policy sweep lets app_resolver DELETE/,
  ],
  [
    'a clearing away of what has not expired',
    'ALTER POLICY resolver_purge ON app.idempotency_keys USING (true)',
    /^idempotency_keys: policy resolver_purge lets app_resolver DELETE/,
  ],
  [
    'an organization on a table that is listed as nobody’s',
    'ALTER TABLE app.users ADD org_id uuid',
    /^users is listed as nobody/,
  ],
  ['a table in public', 'CREATE TABLE public.things (id uuid)', /^public\.things is outside schema app/],
  [
    'a foreign table',
    `CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
     CREATE FOREIGN TABLE app.far (id uuid) SERVER elsewhere; ALTER FOREIGN TABLE app.far OWNER TO app_owner`,
    /^app\.far is a foreign table/,
  ],
  [
    'a policy for everybody',
    `${GOOD_TABLE} ALTER POLICY tenant ON app.things TO PUBLIC`,
    /policy tenant is for PUBLIC/,
  ],
  ['a program with BYPASSRLS', 'ALTER ROLE app_api BYPASSRLS', /^app_api has SUPERUSER/],
  ['a program that is a superuser', 'ALTER ROLE app_worker SUPERUSER', /^app_worker has SUPERUSER/],
  ['an owner that makes roles', 'ALTER ROLE app_owner CREATEROLE', /^app_owner has SUPERUSER/],
  ['a program that may become the owner', 'GRANT app_owner TO app_worker', /^app_worker is a member of app_owner/],
  [
    'a look-up without search_path',
    'ALTER FUNCTION sys.orgs_of_user(uuid) RESET search_path',
    /orgs_of_user.* search_path/,
  ],
  ['a look-up for everybody', 'GRANT EXECUTE ON FUNCTION sys.orgs_of_user(uuid) TO PUBLIC', /orgs_of_user.* by PUBLIC/],
  [
    'a look-up that searches another schema first',
    'ALTER FUNCTION sys.orgs_of_user(uuid) SET search_path = public, pg_catalog',
    /orgs_of_user.* search_path/,
  ],
  [
    'a look-up that finds temporary objects first',
    'ALTER FUNCTION sys.orgs_of_user(uuid) SET search_path = pg_catalog',
    /orgs_of_user.* search_path/,
  ],
  [
    'a function with its owner’s rights in public',
    'CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$',
    /^f\(\) is SECURITY DEFINER outside sys/,
  ],
  [
    'a function with its owner’s rights among the rows',
    'ALTER FUNCTION app.heartbeat_runs(jsonb) SECURITY DEFINER',
    /heartbeat_runs.* outside sys/,
  ],
  [
    'a look-up that runs as the owner',
    'ALTER FUNCTION sys.stuck_runs(integer) OWNER TO app_owner',
    /stuck_runs.* wrong owner/,
  ],
  ['TRUNCATE', 'GRANT TRUNCATE ON app.workflows TO app_api', /^workflows: TRUNCATE is granted to app_api/],
  ['REFERENCES', 'GRANT REFERENCES ON app.workflows TO app_worker', /^workflows: REFERENCES is granted/],
  ['TRIGGER', 'GRANT TRIGGER ON app.workflows TO app_api', /^workflows: TRIGGER is granted/],
  ['a grant to PUBLIC', 'GRANT SELECT ON app.roles TO PUBLIC', /^roles: SELECT is granted to PUBLIC/],
  ['people in the worker’s reach', 'GRANT SELECT (email) ON app.users TO app_worker', /^users is open to app_worker/],
  [
    'ends of audit logs in the worker’s reach',
    'GRANT SELECT ON app.audit_heads TO app_worker',
    /^audit_heads is open to app_worker/,
  ],
  [
    'kept answers in the worker’s reach',
    'GRANT SELECT (response) ON app.idempotency_keys TO app_worker',
    /^idempotency_keys is open to app_worker/,
  ],
  [
    'a new table in the worker’s reach',
    `${GOOD_TABLE} GRANT SELECT ON app.things TO app_worker`,
    /^things is open to app_worker/,
  ],
  [
    'a program that writes tombstones',
    'GRANT INSERT (id) ON app.deleted_organizations TO app_api',
    /^deleted_organizations may be written by app_api/,
  ],
  [
    'a program that writes the ends of audit logs',
    'GRANT UPDATE ON app.audit_heads TO app_api',
    /^audit_heads may be written by app_api/,
  ],
  [
    'a column for everybody',
    'GRANT SELECT (email) ON app.users TO PUBLIC',
    /^users\.email: SELECT is granted to PUBLIC/,
  ],
  [
    'a right that can be passed on',
    'GRANT SELECT (email) ON app.users TO app_api WITH GRANT OPTION',
    /^users\.email: SELECT is granted to app_api/,
  ],
  ['a look-up that reads whole rows', 'GRANT SELECT ON app.users TO app_resolver', /^users is open to app_resolver/],
  [
    'a look-up that changes roles',
    'GRANT UPDATE (role_key) ON app.memberships TO app_resolver',
    /^memberships\.role_key may be written by app_resolver/,
  ],
  ['an owner that can log in', 'ALTER ROLE app_owner LOGIN', /^app_owner may log in/],
  [
    'an organization that is there from the start',
    `ALTER ROLE app_api SET app.current_org_id = '00000000-0000-0000-0000-000000000000'`,
    /^app_api presets app\.current_org_id/,
  ],
  ['another search path', 'ALTER DATABASE %database% SET search_path = public', /^a database presets search_path/],
  [
    'rights on tables to come',
    'ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT SELECT ON TABLES TO app_worker',
    /^objects to come are granted to app_worker/,
  ],
  ['temporary objects', 'GRANT TEMPORARY ON DATABASE %database% TO PUBLIC', /^app_api may make temporary objects/],
  [
    'audit entries that may be changed',
    'DROP TRIGGER never_changed ON app.audit_log',
    /^missing.* never_changed BEFORE UPDATE ON app\.audit_log/,
  ],
  [
    'an audit log without a chain',
    'ALTER TABLE app.audit_log DISABLE TRIGGER continues_chain',
    /^missing.* continues_chain/,
  ],
  [
    'a head that goes back when nobody replicates',
    'ALTER TABLE app.audit_heads ENABLE REPLICA TRIGGER only_forward',
    /^missing.* only_forward/,
  ],
  [
    'audit entries that some may remove',
    `DROP TRIGGER never_removed ON app.audit_log;
     CREATE TRIGGER never_removed BEFORE DELETE ON app.audit_log FOR EACH ROW WHEN (OLD.seq > 100)
       EXECUTE FUNCTION app.refuse_change()`,
    /^missing.* never_removed BEFORE DELETE ON app\.audit_log/,
  ],
  [
    'organizations that go without a tombstone',
    'ALTER TABLE app.organizations DISABLE TRIGGER leaves_tombstone',
    /^missing.* leaves_tombstone/,
  ],
  ['organizations that come back', 'ALTER TABLE app.organizations DISABLE TRIGGER USER', /^missing.* never_again/],
  [
    'tombstones that may be removed',
    'DROP TRIGGER never_removed ON app.deleted_organizations',
    /^missing.* never_removed BEFORE DELETE ON app\.deleted_organizations/,
  ],
  ['a schema to create in', 'GRANT CREATE ON SCHEMA app TO app_api', /^app_api may create objects in schema app/],
];

let found = 0;
const rulesThatFound = new Set<string>();

describe('a planted fault is found', () => {
  it.each(FAULTS)('%s', async (_fault, plant, problem) => {
    await client.query('BEGIN');
    try {
      await client.query(plant.replace('%database%', database.name));
      await client.query('RESET ROLE');
      const problems = await lintCatalogue(client);
      expect(problems).toContainEqual(expect.stringMatching(problem));
      for (const rule of RULES) if ((await client.query(rule)).rows.length > 0) rulesThatFound.add(rule);
    } finally {
      await client.query('ROLLBACK');
    }
    expect(await lintCatalogue(client)).toEqual([]);
    found += 1;
  });

  it('but a table that keeps every rule is not', async () => {
    await client.query('BEGIN');
    await client.query(GOOD_TABLE);
    await client.query('RESET ROLE');
    expect(await lintCatalogue(client)).toEqual([]);
    await client.query('ROLLBACK');
  });
});

it('every planted fault was found, and every rule found one', () => {
  expect(found).toBe(FAULTS.length);
  expect(RULES.filter((rule) => !rulesThatFound.has(rule))).toEqual([]);
  reportFigure('RLS catalogue lint', `${RULES.length} rules, ${found} planted faults found`);
});
