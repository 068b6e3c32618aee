-- When a published, enabled workflow with a cron trigger starts its next run; a disabled one has no row. Ticks are claimed on
-- the clock of this database: whoever locks the row inserts the runs and moves next_fire_at on, in one transaction.
CREATE TABLE app.workflow_schedules (
  org_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  version integer NOT NULL,
  expression text NOT NULL CHECK (char_length(expression) BETWEEN 1 AND 200),
  time_zone text NOT NULL CHECK (char_length(time_zone) BETWEEN 1 AND 64),
  catch_up text NOT NULL CHECK (catch_up IN ('none', 'last', 'all')),
  -- What the runs get: reading it from the document would mean to plan it again for each of 10,000 schedules.
  max_attempts integer NOT NULL CHECK (max_attempts >= 1),
  -- Null when the expression never comes true again.
  next_fire_at timestamptz(3),
  last_fired_at timestamptz(3),
  PRIMARY KEY (org_id, workflow_id),
  FOREIGN KEY (org_id, workflow_id, version)
    REFERENCES app.workflow_versions (org_id, workflow_id, version) ON DELETE CASCADE
);
CREATE INDEX workflow_schedules_due ON app.workflow_schedules (next_fire_at, org_id) WHERE next_fire_at IS NOT NULL;
CREATE INDEX workflow_schedules_due_of_org ON app.workflow_schedules (org_id, next_fire_at) WHERE next_fire_at IS NOT NULL;
ALTER TABLE app.workflow_schedules ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_schedules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_schedules FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.workflow_schedules TO app_api;
GRANT SELECT, UPDATE (next_fire_at, last_fired_at) ON app.workflow_schedules TO app_worker;

-- The tick a run was made for: whatever happens to clocks and processes, a tick makes one run.
ALTER TABLE app.workflow_runs ADD COLUMN scheduled_at timestamptz(3);
CREATE UNIQUE INDEX workflow_runs_tick ON app.workflow_runs (org_id, workflow_id, scheduled_at)
  WHERE scheduled_at IS NOT NULL;
GRANT INSERT ON app.workflow_runs TO app_worker;

GRANT SELECT (org_id, next_fire_at) ON app.workflow_schedules TO app_resolver;
CREATE POLICY resolver_read ON app.workflow_schedules FOR SELECT TO app_resolver USING (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Organizations with a tick that is due, in the order of their ids and beginning behind p_after, so that each gets its
-- turn before any gets another, however much is due in one. Only one process at a time gets any (7303003 is an arbitrary
-- number; the lock ends with the transaction).
CREATE FUNCTION sys.due_schedules(p_after uuid, p_limit integer) RETURNS TABLE (org_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT due.org_id
  FROM (SELECT DISTINCT s.org_id FROM app.workflow_schedules s
    WHERE s.next_fire_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303003))) due
  ORDER BY due.org_id <= p_after, due.org_id
  LIMIT p_limit
$$;

-- Milliseconds until the earliest tick of any organization; negative when one is overdue, null when there is none.
CREATE FUNCTION sys.next_tick_in() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT extract(epoch FROM min(s.next_fire_at) - clock_timestamp())::double precision * 1000
  FROM app.workflow_schedules s WHERE s.next_fire_at IS NOT NULL
$$;

GRANT EXECUTE ON FUNCTION sys.due_schedules(uuid, integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION sys.next_tick_in() TO app_api, app_worker;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
