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
  -- When a test notice last went out by e-mail: the addresses belong to people who were not asked.
  tested_at timestamptz(3),
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
  -- The notice under way {id, count, runId, error, at, told}: fixed when it is first tried, so that every try says the
  -- same under the same id. Failures that come meanwhile are told by the next one.
  sending jsonb,
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

-- False, and nothing written, unless the caller still holds the lease (R1). p_state null keeps the stored state.
-- Steps is a JSON array; a key that is absent is SQL null, a key that is null is JSON null. A step that has ended is
-- left as it is (R2). A lease lost again and again without any progress must stay countable, so a step that merely
-- started does not reset the count: the step may be what kills the worker.
-- A run that fails is counted for a notice in the same transaction, if its organization wants any. The row holds no value
-- of the run; a message may quote one, so only its beginning is kept.
CREATE OR REPLACE FUNCTION app.record_run(
  p_org uuid, p_run uuid, p_token bigint, p_lease_ms integer, p_status text, p_state jsonb, p_next timestamptz,
  p_attempts integer, p_output jsonb, p_error jsonb, p_steps jsonb, p_release boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_ended constant boolean := p_status IN ('succeeded', 'failed', 'cancelled');
  v_released constant boolean := p_release OR p_status <> 'running';
  v_recorded boolean;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.workflow_runs r
  SET status = p_status, state = coalesce(p_state, r.state), next_attempt_at = p_next,
    attempt_count = greatest(r.attempt_count, p_attempts), output = p_output, error = p_error,
    lost_claims = CASE WHEN p_status <> 'running' OR jsonb_path_exists(p_steps, '$[*] ? (@.status != "running")')
      THEN 0 ELSE r.lost_claims END,
    lease_until = CASE WHEN NOT v_released THEN now() + p_lease_ms * interval '1 ms' END,
    next_sweep_at = CASE
      WHEN v_ended THEN NULL
      WHEN NOT v_released THEN r.next_sweep_at
      WHEN p_status = 'waiting' THEN p_next
      ELSE coalesce(p_next, date_trunc('milliseconds', now())) END, -- the column would round up, into the future
    finished_at = CASE WHEN v_ended THEN now() END
  WHERE r.org_id = p_org AND r.id = p_run AND r.lease_token = p_token AND r.status = 'running';
  v_recorded := FOUND;
  IF v_recorded AND jsonb_array_length(p_steps) > 0 THEN
    INSERT INTO app.workflow_run_steps AS s
      (org_id, run_id, step_key, type, status, attempt, input, output, error, started_at, finished_at, ordinal)
    SELECT p_org, p_run, e ->> 'stepKey', e ->> 'type', e ->> 'status', (e ->> 'attempt')::integer,
      e -> 'input', e -> 'output', nullif(e -> 'error', 'null'),
      coalesce((e ->> 'startedAt')::timestamptz, CASE WHEN e ->> 'status' NOT IN ('pending', 'skipped') THEN now() END),
      coalesce((e ->> 'finishedAt')::timestamptz,
        CASE WHEN e ->> 'status' IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN now() END),
      n
    FROM jsonb_array_elements(p_steps) WITH ORDINALITY AS step (e, n)
    ON CONFLICT (org_id, run_id, step_key) DO UPDATE
    SET type = EXCLUDED.type, status = EXCLUDED.status, attempt = EXCLUDED.attempt,
      input = coalesce(EXCLUDED.input, s.input), output = EXCLUDED.output, error = EXCLUDED.error,
      started_at = coalesce(s.started_at, EXCLUDED.started_at), finished_at = EXCLUDED.finished_at
    WHERE s.status NOT IN ('succeeded', 'failed', 'skipped', 'cancelled');
  END IF;
  IF v_recorded AND p_status = 'failed' THEN
    INSERT INTO app.failure_notices AS n (org_id, workflow_id, failed_count, last_run_id, last_error)
    SELECT p_org, r.workflow_id, 1, p_run,
      jsonb_build_object('code', left(p_error ->> 'code', 100), 'message', left(p_error ->> 'message', 300))
    FROM app.failure_notice_settings s JOIN app.workflow_runs r ON r.org_id = s.org_id AND r.id = p_run
    WHERE s.org_id = p_org AND s.channel <> 'none'
    ON CONFLICT (org_id, workflow_id) DO UPDATE
    SET failed_count = n.failed_count + 1, last_run_id = EXCLUDED.last_run_id, last_error = EXCLUDED.last_error;
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_recorded;
END $$;

GRANT SELECT (org_id, workflow_id, failed_count, attempts, next_attempt_at), UPDATE (attempts, next_attempt_at)
  ON app.failure_notices TO app_resolver;
CREATE POLICY resolver_read ON app.failure_notices FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.failure_notices FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- As sys.take_org_mails, for failures that were not told yet; of each organization the one that is due the longest, and none
-- of those that keep the caller busy already: one with many, or with a slow receiver, must not hold up the others.
CREATE FUNCTION sys.take_failure_notices(p_limit integer, p_lease integer, p_busy uuid[])
RETURNS TABLE (org_id uuid, workflow_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH oldest AS (
    SELECT DISTINCT ON (n.org_id) n.org_id, n.workflow_id FROM app.failure_notices n
    WHERE n.failed_count > 0 AND n.next_attempt_at <= now() AND n.org_id <> ALL (p_busy)
    ORDER BY n.org_id, n.next_attempt_at),
  due AS (
    SELECT n.org_id, n.workflow_id FROM app.failure_notices n
    JOIN oldest o ON o.org_id = n.org_id AND o.workflow_id = n.workflow_id
    WHERE n.failed_count > 0 AND n.next_attempt_at <= now()
    ORDER BY n.next_attempt_at LIMIT p_limit FOR UPDATE OF n SKIP LOCKED)
  UPDATE app.failure_notices n SET attempts = n.attempts + 1, next_attempt_at = now() + make_interval(secs => p_lease)
  FROM due WHERE n.org_id = due.org_id AND n.workflow_id = due.workflow_id
  RETURNING n.org_id, n.workflow_id
$$;
GRANT EXECUTE ON FUNCTION sys.take_failure_notices(integer, integer, uuid[]) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
