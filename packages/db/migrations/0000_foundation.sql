-- Two schemas: app holds the rows, sys the few look-ups that must work before an organization is known.
CREATE SCHEMA app;
CREATE SCHEMA sys;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA app, sys TO app_api, app_worker;
GRANT USAGE ON SCHEMA app TO app_resolver;

-- Every tenant policy asks this function. It raises instead of answering null, so that a forgotten context is an
-- error and never an empty result. After a committed SET LOCAL the setting is '' rather than null: both are refused.
CREATE FUNCTION app.current_org_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
  v text := current_setting('app.current_org_id', true);
BEGIN
  IF v IS NULL OR v = '' THEN
    RAISE EXCEPTION 'app.current_org_id is not set' USING ERRCODE = 'WF001';
  END IF;
  RETURN v::uuid;
EXCEPTION WHEN invalid_text_representation THEN
  RAISE EXCEPTION 'app.current_org_id is not a uuid' USING ERRCODE = 'WF001';
END $$;
GRANT EXECUTE ON FUNCTION app.current_org_id() TO app_api, app_worker;

CREATE FUNCTION app.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% never change', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'WF002';
END $$;
