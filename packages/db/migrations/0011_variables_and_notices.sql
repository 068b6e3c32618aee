-- What expressions read as $vars. Plain settings, not secrets.
CREATE TABLE app.organization_variables (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  name text NOT NULL CHECK (name ~ '^[A-Za-z][A-Za-z0-9_]{0,63}$'),
  value jsonb NOT NULL,
  updated_by_user_id uuid,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, name)
);
ALTER TABLE app.organization_variables ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.organization_variables FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.organization_variables FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.organization_variables TO app_api;
GRANT SELECT ON app.organization_variables TO app_worker;

-- Whom an organization tells when runs of its workflows fail: addresses, or one URL.
CREATE TABLE app.failure_notice_settings (
  org_id uuid PRIMARY KEY REFERENCES app.organizations (id) ON DELETE CASCADE,
  channel text NOT NULL CHECK (channel IN ('none', 'email', 'webhook')),
  emails text[] NOT NULL DEFAULT '{}' CHECK (cardinality(emails) <= 10),
  webhook_url text CHECK (char_length(webhook_url) <= 2000),
  -- The webhook's signing secret is made from the server's key, the organization and this number.
  webhook_generation integer NOT NULL DEFAULT 0 CHECK (webhook_generation >= 0),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CHECK ((channel = 'webhook') = (webhook_url IS NOT NULL)),
  CHECK ((channel = 'email') = (cardinality(emails) > 0))
);
ALTER TABLE app.failure_notice_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.failure_notice_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.failure_notice_settings FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.failure_notice_settings TO app_api;
GRANT SELECT (org_id, channel) ON app.failure_notice_settings TO app_worker;

-- Failures not told yet, one row a workflow: a workflow that fails a thousand times makes one notice, not a thousand.
CREATE TABLE app.failure_notices (
  org_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  failed_count integer NOT NULL CHECK (failed_count >= 0),
  last_run_id uuid NOT NULL,
  last_error jsonb,
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, workflow_id),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE
);
CREATE INDEX failure_notices_due ON app.failure_notices (next_attempt_at) WHERE failed_count > 0;
ALTER TABLE app.failure_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.failure_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.failure_notices FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, UPDATE, DELETE ON app.failure_notices TO app_api;
GRANT SELECT, INSERT, UPDATE ON app.failure_notices TO app_worker;

GRANT SELECT (org_id, workflow_id, failed_count, attempts, next_attempt_at), UPDATE (attempts, next_attempt_at)
  ON app.failure_notices TO app_resolver;
CREATE POLICY resolver_read ON app.failure_notices FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.failure_notices FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- As sys.take_org_mails, for failures that were not told yet.
CREATE FUNCTION sys.take_failure_notices(p_limit integer, p_lease integer)
RETURNS TABLE (org_id uuid, workflow_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT n.org_id, n.workflow_id FROM app.failure_notices n
    WHERE n.failed_count > 0 AND n.next_attempt_at <= now()
    ORDER BY n.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  UPDATE app.failure_notices n SET attempts = n.attempts + 1, next_attempt_at = now() + make_interval(secs => p_lease)
  FROM due WHERE n.org_id = due.org_id AND n.workflow_id = due.workflow_id
  RETURNING n.org_id, n.workflow_id
$$;
GRANT EXECUTE ON FUNCTION sys.take_failure_notices(integer, integer) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
