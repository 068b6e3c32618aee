-- lease_token rises at every claim and fences writers; lease_until says until when the present owner may be trusted.
-- next_sweep_at is the earliest time at which a sweeper should look at the row again: a lower bound, so that the hot
-- updates of a running run need not touch it. No index covers a column that every update changes, and pages keep room,
-- so those updates stay on their page (HOT).
CREATE TABLE app.workflow_runs (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  version integer NOT NULL,
  trigger_type text NOT NULL CHECK (char_length(trigger_type) BETWEEN 1 AND 100),
  status text NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
  state jsonb,
  input jsonb,
  output jsonb,
  error jsonb,
  attempt_count integer NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
  max_attempts integer NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
  next_attempt_at timestamptz(3),
  retry_of_run_id uuid,
  requested_by_user_id uuid REFERENCES app.users (id),
  lease_token bigint NOT NULL DEFAULT 0,
  lease_until timestamptz(3),
  lost_claims integer NOT NULL DEFAULT 0,
  next_sweep_at timestamptz(3) DEFAULT now() + interval '3 s',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  started_at timestamptz(3),
  finished_at timestamptz(3),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, workflow_id, version)
    REFERENCES app.workflow_versions (org_id, workflow_id, version) ON DELETE CASCADE,
  FOREIGN KEY (org_id, retry_of_run_id)
    REFERENCES app.workflow_runs (org_id, id) ON DELETE SET NULL (retry_of_run_id),
  CHECK (lease_until IS NULL OR status = 'running'),
  CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled')))
) WITH (fillfactor = 80);
CREATE INDEX workflow_runs_list ON app.workflow_runs (org_id, created_at DESC, id DESC);
CREATE INDEX workflow_runs_of_workflow ON app.workflow_runs (org_id, workflow_id, created_at DESC, id DESC);
CREATE INDEX workflow_runs_retry_of ON app.workflow_runs (org_id, retry_of_run_id) WHERE retry_of_run_id IS NOT NULL;
CREATE INDEX workflow_runs_sweep ON app.workflow_runs (next_sweep_at) WHERE next_sweep_at IS NOT NULL;

-- An ended run never changes. The link to the run it retried may go when that run is deleted.
CREATE FUNCTION app.refuse_change_of_ended_run() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF (OLD.status, OLD.state, OLD.input, OLD.output, OLD.error, OLD.version, OLD.attempt_count, OLD.lease_token,
      OLD.started_at, OLD.finished_at)
    IS DISTINCT FROM
     (NEW.status, NEW.state, NEW.input, NEW.output, NEW.error, NEW.version, NEW.attempt_count, NEW.lease_token,
      NEW.started_at, NEW.finished_at) THEN
    RAISE EXCEPTION 'run % has ended and never changes', OLD.id USING ERRCODE = 'WF002';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ended BEFORE UPDATE ON app.workflow_runs FOR EACH ROW
  WHEN (OLD.status IN ('succeeded', 'failed', 'cancelled')) EXECUTE FUNCTION app.refuse_change_of_ended_run();

ALTER TABLE app.workflow_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_runs FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, DELETE ON app.workflow_runs TO app_api;
GRANT SELECT ON app.workflow_runs TO app_worker;
GRANT UPDATE (status, state, output, error, attempt_count, next_attempt_at, lease_token, lease_until, lost_claims,
  next_sweep_at, started_at, finished_at) ON app.workflow_runs TO app_worker;

CREATE TABLE app.workflow_run_steps (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_key text NOT NULL CHECK (char_length(step_key) BETWEEN 1 AND 1000),
  type text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 100),
  status text NOT NULL
    CHECK (status IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')),
  attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  input jsonb,
  output jsonb,
  error jsonb,
  started_at timestamptz(3),
  finished_at timestamptz(3),
  -- Steps recorded together started at the same time as far as the clock can tell; this keeps their order.
  ordinal integer NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, run_id, step_key),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
CREATE TRIGGER ended BEFORE UPDATE ON app.workflow_run_steps FOR EACH ROW
  WHEN (OLD.status IN ('succeeded', 'failed', 'skipped', 'cancelled')) EXECUTE FUNCTION app.refuse_change();
ALTER TABLE app.workflow_run_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_steps FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT ON app.workflow_run_steps TO app_api;
GRANT SELECT, INSERT, UPDATE ON app.workflow_run_steps TO app_worker;
