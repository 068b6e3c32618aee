-- Roles belong to the cluster, not to a database, so they stand outside the numbered migrations: migrate.ts runs this file
-- every time, as the user of DATABASE_URL. It may be a superuser or the database's owner with CREATEROLE.
DO $roles$
DECLARE
  v_role text;
  v_login text;
BEGIN
  FOR v_role, v_login IN
    VALUES ('app_owner', 'NOLOGIN'), ('app_resolver', 'NOLOGIN'),
           ('app_api', 'LOGIN NOINHERIT'), ('app_worker', 'LOGIN NOINHERIT')
  LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
        EXECUTE format('CREATE ROLE %I %s', v_role, v_login);
        IF v_login LIKE 'LOGIN%' THEN
          -- A program that freezes in a transaction must not hold its locks for ever. Settings of the role also hold
          -- behind a pooler, and an operator can change them: they are set once, when the role is made.
          EXECUTE format($q$ALTER ROLE %I SET idle_in_transaction_session_timeout = '60s'$q$, v_role);
          EXECUTE format($q$ALTER ROLE %I SET statement_timeout = '60s'$q$, v_role);
        END IF;
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database of this cluster is being migrated at the same moment
    END;
  END LOOP;

  IF EXISTS (
    SELECT FROM pg_catalog.pg_roles
    WHERE rolname IN ('app_owner', 'app_resolver', 'app_api', 'app_worker')
      AND (rolsuper OR rolbypassrls OR rolcreaterole)
  ) THEN
    RAISE EXCEPTION 'a role app_owner, app_resolver, app_api or app_worker exists with SUPERUSER, BYPASSRLS or CREATEROLE'
      USING HINT = 'Take the attribute away (ALTER ROLE ...) or use another cluster.';
  END IF;

  -- A superuser may take any role. Anybody else must be allowed to become the two owning roles.
  FOREACH v_role IN ARRAY ARRAY['app_owner', 'app_resolver'] LOOP
    IF NOT pg_catalog.pg_has_role(current_user, v_role, 'SET') THEN
      EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', v_role);
    END IF;
  END LOOP;

  -- Temporary objects are an app role's only way to create something that could shadow ours; nobody needs them.
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CREATE ON DATABASE %I TO app_owner', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO app_api, app_worker', current_database());
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$roles$;
