-- How long an organization keeps runs that have ended; one without a row keeps them as long as the server says.
CREATE TABLE app.run_retention_settings (
  org_id uuid PRIMARY KEY REFERENCES app.organizations (id) ON DELETE CASCADE,
  days integer NOT NULL CHECK (days BETWEEN 1 AND 3650),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
ALTER TABLE app.run_retention_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.run_retention_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.run_retention_settings FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.run_retention_settings TO app_api;

-- In the order in which they are cleared away. A run enters it with its end, when its row leaves its page anyhow.
CREATE INDEX workflow_runs_ended ON app.workflow_runs (org_id, finished_at) WHERE finished_at IS NOT NULL;

-- Lists of runs by status, among a million that succeeded. No index may hold or ask for the status itself: claiming a run
-- changes it, and would no longer stay on its page (HOT). A run changes these columns once, with its end.
ALTER TABLE app.workflow_runs ADD COLUMN unsuccessful_status text
  GENERATED ALWAYS AS (CASE WHEN status IN ('failed', 'cancelled') THEN status END) STORED;
CREATE INDEX workflow_runs_unsuccessful ON app.workflow_runs (org_id, unsuccessful_status, created_at DESC, id DESC)
  WHERE unsuccessful_status IS NOT NULL;

-- As in 0024; a large value comes as it lies in its blob.
DROP FUNCTION app.read_run_answers(jsonb);
CREATE FUNCTION app.read_run_answers(p_runs jsonb)
RETURNS TABLE (number integer, status text, has_answer boolean, value jsonb, blob bytea)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'runId')::uuid AS run
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n)
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    RETURN QUERY
      SELECT v.n, r.status, s.step_key IS NOT NULL,
        CASE WHEN s.step_key IS NOT NULL THEN s.output WHEN r.status = 'succeeded' THEN r.output END,
        CASE WHEN CASE WHEN s.step_key IS NOT NULL THEN s.output_bytes ELSE r.output_bytes END IS NOT NULL THEN (
          SELECT b.data FROM app.workflow_run_blobs b
          WHERE b.org_id = v.org AND b.run_id = v.run AND b.step_key = coalesce(s.step_key, '') AND b.field = 'output') END
      FROM app.workflow_runs r
      LEFT JOIN LATERAL (
        SELECT x.step_key, x.output, x.output_bytes FROM app.workflow_run_steps x
        WHERE x.org_id = v.org AND x.run_id = v.run AND x.type = 'respond' AND x.status = 'succeeded'
        ORDER BY x.finished_at, x.ordinal LIMIT 1) s ON true
      WHERE r.org_id = v.org AND r.id = v.run
        AND (s.step_key IS NOT NULL OR r.status IN ('succeeded', 'failed', 'cancelled'));
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
GRANT EXECUTE ON FUNCTION app.read_run_answers(jsonb) TO app_api;

GRANT SELECT (org_id, days) ON app.run_retention_settings TO app_resolver;
CREATE POLICY resolver_read ON app.run_retention_settings FOR SELECT TO app_resolver USING (true);
GRANT SELECT (finished_at) ON app.workflow_runs TO app_resolver;
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Organizations with runs that are to go, in no order, so that each gets its turn; one look into an index each. Empty while
-- another process clears away (7303027 is an arbitrary number).
CREATE FUNCTION sys.orgs_with_old_runs(p_default_days integer, p_limit integer) RETURNS TABLE (org_id uuid, days integer)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT kept.id, kept.days
  FROM (
    SELECT o.id, coalesce(s.days, p_default_days) AS days
    FROM app.organizations o LEFT JOIN app.run_retention_settings s ON s.org_id = o.id
    WHERE (SELECT pg_try_advisory_xact_lock(7303027))
  ) kept
  CROSS JOIN LATERAL (
    SELECT r.finished_at FROM app.workflow_runs r WHERE r.org_id = kept.id AND r.finished_at IS NOT NULL
    ORDER BY r.finished_at LIMIT 1
  ) oldest
  WHERE oldest.finished_at < now() - kept.days * interval '1 day'
  ORDER BY random()
  LIMIT p_limit
$$;
GRANT EXECUTE ON FUNCTION sys.orgs_with_old_runs(integer, integer) TO app_api;

SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
