import { TRIGGER_RULES } from './catalogue-triggers.ts';

/**
 * Reads the system catalogues and names everything that would weaken the separation of organizations. A new table,
 * policy, key or function that forgets one of the rules fails the test that calls this.
 */

interface Queryable {
  query(text: string): Promise<{ rows: { problem: string }[] }>;
}

/** One sentence per problem; empty when the database keeps all rules. Ask as a superuser or as the owner. */
export async function lintCatalogue(client: Queryable): Promise<string[]> {
  const problems: string[] = [];
  for (const rule of RULES) {
    const { rows } = await client.query(rule);
    problems.push(...rows.map((row) => row.problem));
  }
  return problems.sort();
}

/** Tables of schema app that belong to nobody's organization: people, their sessions, the list of roles, tombstones. */
const WITHOUT_ORG = `(
  'users', 'auth_sessions', 'roles', 'account_tokens', 'account_mails', 'user_identities', 'oauth_flows',
  'deleted_organizations')`;

/** Unique across organizations on purpose: the organization itself, its address, and a 256-bit hash. */
const GLOBAL_KEYS = `(
  'organizations_pkey', 'organizations_slug_key', 'organization_invitations_token_key', 'api_keys_hash_key',
  'workflow_hooks_token_key')`;

const PROGRAMS = `('app_api', 'app_worker')`;
const OUR_ROLES = `('app_owner', 'app_resolver', 'app_api', 'app_worker')`;

/** Written by functions of sys alone: the programs may not, so that nobody can tell another history. */
const WRITTEN_BY_SYS = `('audit_heads', 'deleted_organizations')`;
/** All that a worker may reach of what there is; a new table is closed to it until it is named here. */
const OF_WORKERS = `('workflow_runs', 'workflow_run_steps', 'workflow_run_signals', 'workflow_run_events',
  'workflow_run_blobs', 'workflow_run_files', 'workflow_run_file_chunks', 'workflow_run_calls', 'workflow_run_attempts',
  'child_run_events', 'workflows', 'workflow_versions', 'workflow_schedules', 'organization_variables', 'failure_notices',
  'failure_notice_settings', 'hook_deliveries', 'org_run_limits')`;
/** Rows that are cleared away across organizations, once they have expired and not before. */
const PURGED = `('idempotency_keys', 'hook_deliveries')`;

/** What the look-ups that hand out work may write: when a row is due again, and how often it was tried. */
const STAMPS = `('next_sweep_at', 'attempts', 'next_attempt_at')`;

/** A tenant table and its organization column; organizations is keyed by its own id. */
const TENANT = `
  SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, a.attnum AS org_column, a.attnotnull
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    AND a.attname = CASE c.relname WHEN 'organizations' THEN 'id' ELSE 'org_id' END
  WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND c.relname NOT IN ${WITHOUT_ORG}`;

const OUR_FUNCTIONS = `
  SELECT p.*, n.nspname, p.oid::regprocedure::text AS signature
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('app', 'sys')`;

const TABLE_RULES = [
  `SELECT c.relname || ' is listed as nobody’s but has an organization' AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
   WHERE n.nspname = 'app' AND c.relname IN ${WITHOUT_ORG} AND a.attname = 'org_id' AND NOT a.attisdropped`,
  `SELECT relname || ' has no organization column that is not null' AS problem
   FROM (${TENANT}) t WHERE attnotnull IS NOT TRUE`,
  `SELECT relname || ' lacks enabled and forced row-level security' AS problem
   FROM (${TENANT}) t WHERE NOT (relrowsecurity AND relforcerowsecurity)`,
  `SELECT conrelid::regclass || ': foreign key ' || conname || ' does not carry the organization' AS problem
   FROM pg_constraint k JOIN (${TENANT}) s ON s.oid = k.conrelid JOIN (${TENANT}) t ON t.oid = k.confrelid
   WHERE contype = 'f' AND NOT EXISTS (
     SELECT FROM unnest(conkey, confkey) AS pair (own, other)
     WHERE pair.own = s.org_column AND pair.other = t.org_column)`,
  `SELECT i.indexrelid::regclass || ' is unique but not led by the organization' AS problem
   FROM pg_index i JOIN (${TENANT}) t ON t.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
   WHERE i.indisunique AND i.indkey[0] IS DISTINCT FROM t.org_column AND c.relname NOT IN ${GLOBAL_KEYS}`,
  `SELECT n.nspname || '.' || c.relname || CASE c.relkind
     WHEN 'v' THEN ' is a view without security_invoker'
     WHEN 'f' THEN ' is a foreign table, which row-level security does not cover'
     WHEN 'm' THEN ' is a materialized view, which row-level security does not cover'
     ELSE ' is a sequence, which tells volumes across organizations' END AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname IN ('app', 'sys') AND (c.relkind IN ('f', 'm', 'S')
     OR (c.relkind = 'v' AND NOT coalesce(c.reloptions::text LIKE '%security_invoker=true%', false)))`,
];

const POLICY_RULES = [
  `SELECT tablename || ': policy ' || policyname || ' is for PUBLIC' AS problem
   FROM pg_policies WHERE schemaname = 'app' AND 'public' = ANY (roles)`,
  // Exactly this and nothing beside it: an OR would let more rows through than the organization's.
  `SELECT p.tablename || ': policy ' || p.policyname || ' does not ask (SELECT app.current_org_id())' AS problem
   FROM pg_policies p, format('(%s = ( SELECT app.current_org_id() AS current_org_id))',
     CASE p.tablename WHEN 'organizations' THEN 'id' ELSE 'org_id' END) AS expected
   WHERE p.schemaname = 'app' AND p.roles <> ARRAY['app_resolver']::name[]
     AND (coalesce(p.qual, p.with_check) <> expected OR coalesce(p.with_check, p.qual) <> expected)`,
  `SELECT tablename || ': policy ' || policyname || ' lets app_resolver ' || cmd AS problem
   FROM pg_policies WHERE schemaname = 'app' AND 'app_resolver' = ANY (roles) AND cmd NOT IN ('SELECT', 'UPDATE')
     AND tablename NOT IN ${WRITTEN_BY_SYS}
     AND NOT (cmd = 'DELETE' AND tablename IN ${PURGED} AND qual = '(expires_at <= now())')`,
];

const FUNCTION_RULES = [
  // Any other schema could hold a function or table that stands in for ours; without pg_temp a definer looks there first.
  `SELECT signature || ' does not fix its search_path' AS problem FROM (${OUR_FUNCTIONS}) f
   WHERE coalesce(array_to_string(proconfig, ';'), '') !~
     CASE WHEN prosecdef THEN '(^|;)search_path=pg_catalog, pg_temp(;|$)' ELSE '(^|;)search_path=pg_catalog(, pg_temp)?(;|$)' END`,
  `SELECT signature || ' may be executed by PUBLIC' AS problem FROM (${OUR_FUNCTIONS}) f
   WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)`,
  `SELECT p.oid::regprocedure::text || ' is SECURITY DEFINER outside sys' AS problem
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE p.prosecdef AND n.nspname NOT IN ('sys', 'pg_catalog', 'information_schema')`,
];

const OWNER_RULES = [
  `SELECT n.nspname || '.' || c.relname || ' is outside schema app' AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
     AND n.nspname NOT IN ('app', 'sys', 'migrations', 'information_schema')`,
  `SELECT n.nspname || '.' || c.relname || ' is not owned by app_owner' AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname IN ('app', 'sys') AND c.relowner <> 'app_owner'::regrole`,
  `SELECT 'schema ' || nspname || ' is not owned by app_owner' AS problem
   FROM pg_namespace WHERE nspname IN ('app', 'sys') AND nspowner <> 'app_owner'::regrole`,
  `SELECT signature || ' has the wrong owner' AS problem FROM (${OUR_FUNCTIONS}) f
   WHERE proowner <> CASE nspname WHEN 'sys' THEN 'app_resolver'::regrole ELSE 'app_owner'::regrole END`,
];

const ROLE_RULES = [
  `SELECT rolname || ' may log in' AS problem FROM pg_roles
   WHERE rolname IN ('app_owner', 'app_resolver') AND rolcanlogin`,
  `SELECT rolname || ' has SUPERUSER, BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION' AS problem FROM pg_roles
   WHERE rolname IN ${OUR_ROLES}
     AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`,
  `SELECT member::regrole || ' is a member of ' || roleid::regrole AS problem
   FROM pg_auth_members WHERE member::regrole::text IN ${OUR_ROLES}`,
];

/** What takes effect without a statement of ours: a session's defaults, and rights on objects that are yet to come. */
const DEFAULT_RULES = [
  `SELECT coalesce(nullif(setrole, 0)::regrole::text, 'a database') || ' presets ' || split_part(setting, '=', 1) AS problem
   FROM pg_db_role_setting, unnest(setconfig) AS setting
   WHERE (setrole = 0 OR setrole::regrole::text IN ${OUR_ROLES})
     AND (setdatabase = 0 OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
     AND setting ~ '^(app\\.|row_security=|role=|session_replication_role=|search_path=)'`,
  `SELECT 'objects to come are granted to ' ||
     CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS problem
   FROM pg_default_acl d, aclexplode(d.defaclacl) g WHERE g.grantee <> d.defaclrole`,
];

const GRANT_RULES = [
  `SELECT c.relname || ': ' || g.privilege_type || ' is granted to ' ||
     CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g
   WHERE n.nspname IN ('app', 'sys') AND (g.grantee = 0 OR g.is_grantable OR (
     g.grantee <> c.relowner AND g.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')))`,
  `SELECT c.relname || '.' || a.attname || ': ' || g.privilege_type || ' is granted to ' ||
     CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS problem
   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
     aclexplode(a.attacl) g
   WHERE n.nspname IN ('app', 'sys') AND (g.grantee = 0 OR g.is_grantable OR g.privilege_type = 'REFERENCES')`,
  `SELECT c.relname || ' is open to app_resolver as a whole' AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'app' AND c.relname NOT IN ${WRITTEN_BY_SYS} AND has_table_privilege('app_resolver', c.oid,
     CASE WHEN c.relname IN ${PURGED} THEN 'SELECT, INSERT, UPDATE' ELSE 'SELECT, INSERT, UPDATE, DELETE' END)`,
  `SELECT c.relname || '.' || a.attname || ' may be written by app_resolver' AS problem
   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND a.attname NOT IN ${STAMPS}
     AND c.relname NOT IN ${WRITTEN_BY_SYS}
     AND has_column_privilege('app_resolver', c.oid, a.attnum, 'INSERT, UPDATE')`,
  `SELECT c.relname || ' is open to app_worker' AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname IN ('app', 'sys') AND c.relkind IN ('r', 'p', 'v') AND c.relname NOT IN ${OF_WORKERS}
     AND (has_table_privilege('app_worker', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
       OR has_any_column_privilege('app_worker', c.oid, 'SELECT, INSERT, UPDATE'))`,
  `SELECT c.relname || ' may be written by ' || r.rolname AS problem
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r
   WHERE n.nspname = 'app' AND c.relname IN ${WRITTEN_BY_SYS} AND r.rolname IN ${PROGRAMS}
     AND (has_table_privilege(r.rolname, c.oid, 'INSERT, UPDATE, DELETE')
       OR has_any_column_privilege(r.rolname, c.oid, 'INSERT, UPDATE'))`,
  `SELECT r.rolname || ' may make temporary objects' AS problem FROM pg_roles r
   WHERE r.rolname IN ${PROGRAMS} AND has_database_privilege(r.rolname, current_database(), 'TEMPORARY')`,
  `SELECT r.rolname || ' may create objects in schema ' || n.nspname AS problem FROM pg_roles r, pg_namespace n
   WHERE r.rolname IN ('app_resolver', 'app_api', 'app_worker') AND n.nspname IN ('app', 'sys', 'public')
     AND has_schema_privilege(r.rolname, n.oid, 'CREATE')`,
];

/** Each a query for the problems of one kind, one sentence a row. */
export const RULES = [
  ...TABLE_RULES,
  ...POLICY_RULES,
  ...FUNCTION_RULES,
  ...OWNER_RULES,
  ...ROLE_RULES,
  ...DEFAULT_RULES,
  ...GRANT_RULES,
  ...TRIGGER_RULES,
];
