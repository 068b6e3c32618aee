-- Runs that a step of another run starts. The step's key makes each of them exactly once, whoever starts it and however often.
ALTER TABLE app.workflow_runs
  ADD COLUMN parent_run_id uuid,
  ADD COLUMN parent_step_key text CHECK (char_length(parent_step_key) BETWEEN 1 AND 1000),
  -- Whether that step waits for its end, and takes it along when it is cancelled.
  ADD COLUMN is_awaited boolean NOT NULL DEFAULT false,
  -- How many runs are above it.
  ADD COLUMN depth integer NOT NULL DEFAULT 0,
  ADD FOREIGN KEY (org_id, parent_run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE SET NULL (parent_run_id);
CREATE UNIQUE INDEX workflow_runs_of_parent ON app.workflow_runs (org_id, parent_run_id, parent_step_key)
  WHERE parent_run_id IS NOT NULL;

-- What the end of one run means for another, stored in the transaction of that end (R3): neither a lost process nor Redis may
-- leave a parent waiting, or a child running for nobody. 'ended': the run that this step waits for has ended; only
-- then can it be deleted. 'cancel': this step was cancelled, and with it goes the run that it waited for.
CREATE TABLE app.child_run_events (
  org_id uuid NOT NULL,
  parent_run_id uuid NOT NULL,
  parent_step_key text NOT NULL,
  type text NOT NULL CHECK (type IN ('ended', 'cancel')),
  next_sweep_at timestamptz(3) NOT NULL DEFAULT now() + interval '1 s',
  PRIMARY KEY (org_id, parent_run_id, parent_step_key, type),
  FOREIGN KEY (org_id, parent_run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
CREATE INDEX child_run_events_sweep ON app.child_run_events (next_sweep_at);
ALTER TABLE app.child_run_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.child_run_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.child_run_events FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, DELETE, UPDATE (next_sweep_at) ON app.child_run_events TO app_api, app_worker;

CREATE FUNCTION app.note_child_end() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO app.child_run_events (org_id, parent_run_id, parent_step_key, type)
  SELECT p.org_id, p.id, OLD.parent_step_key, 'ended' FROM app.workflow_runs p
  WHERE p.org_id = OLD.org_id AND p.id = OLD.parent_run_id AND p.finished_at IS NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER ends_for_parent AFTER UPDATE ON app.workflow_runs FOR EACH ROW
  WHEN (NEW.is_awaited AND NEW.parent_run_id IS NOT NULL AND OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
  EXECUTE FUNCTION app.note_child_end();

-- A run that is being started for the step at this moment is seen: start_child_run holds the step's row.
CREATE FUNCTION app.note_cancelled_parent() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO app.child_run_events (org_id, parent_run_id, parent_step_key, type)
  SELECT c.org_id, c.parent_run_id, c.parent_step_key, 'cancel' FROM app.workflow_runs c
  WHERE c.org_id = NEW.org_id AND c.parent_run_id = NEW.run_id AND c.parent_step_key = NEW.step_key
    AND c.is_awaited AND c.finished_at IS NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER cancels_child AFTER UPDATE ON app.workflow_run_steps FOR EACH ROW
  WHEN (NEW.type = 'subworkflow' AND NEW.status = 'cancelled' AND OLD.status <> 'cancelled')
  EXECUTE FUNCTION app.note_cancelled_parent();

GRANT SELECT (org_id, id, version, is_enabled) ON app.workflows TO app_worker;
CREATE POLICY worker_read ON app.workflows FOR SELECT TO app_worker USING (org_id = (SELECT app.current_org_id()));
GRANT UPDATE (signals_sent) ON app.workflow_runs TO app_worker;
GRANT INSERT ON app.workflow_run_signals TO app_worker;
GRANT EXECUTE ON FUNCTION app.signal_run(uuid, uuid, text, text, jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.cancel_run(uuid, uuid, jsonb) TO app_worker;

-- Starts the run of a step, or finds the one it has started: the only place where such runs are made. The caller says which
-- version it has prepared (attempts, input schema), 0 for none; of another one nothing is stored, and 'version' tells which it
-- is to be. 'fenced': the step does not run any more. By the second door, as in 0016.
CREATE FUNCTION app.start_child_run(p_org uuid, p_parent uuid, p_step text, p_child jsonb)
RETURNS TABLE (outcome text, version integer, run_id uuid, status text, output jsonb, error jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_workflow constant uuid := (p_child ->> 'workflowId')::uuid;
  v_pinned constant integer := (p_child ->> 'pinnedVersion')::integer;
  v_published integer;
  v_enabled boolean;
  v_depth integer;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  -- Held until the end: the step cannot be cancelled past this run.
  PERFORM FROM app.workflow_run_steps s
  WHERE s.org_id = p_org AND s.run_id = p_parent AND s.step_key = p_step AND s.status = 'running' FOR SHARE;
  outcome := CASE WHEN NOT FOUND THEN 'fenced' END;
  IF outcome IS NULL AND NOT EXISTS (
    SELECT FROM app.workflow_runs c
    WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = p_step
  ) THEN
    SELECT w.version, w.is_enabled INTO v_published, v_enabled FROM app.workflows w
    WHERE w.org_id = p_org AND w.id = v_workflow;
    SELECT r.depth INTO v_depth FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_parent;
    version := coalesce(v_pinned, v_published);
    outcome := CASE
      WHEN v_published IS NULL THEN 'gone'
      WHEN v_published = 0 OR version > v_published THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN v_depth >= (p_child ->> 'maxDepth')::integer THEN 'tooDeep'
      WHEN version <> (p_child ->> 'version')::integer THEN 'version' END;
    IF outcome IS NULL THEN
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        parent_run_id, parent_step_key, is_awaited, depth, next_sweep_at)
      VALUES (p_org, (p_child ->> 'runId')::uuid, v_workflow, version, 'trigger.subworkflow', p_child -> 'input',
        (p_child ->> 'maxAttempts')::integer, p_parent, p_step, (p_child ->> 'isAwaited')::boolean, v_depth + 1,
        now() + interval '3 s')
      ON CONFLICT (org_id, parent_run_id, parent_step_key) WHERE parent_run_id IS NOT NULL DO NOTHING;
      outcome := CASE WHEN FOUND THEN 'started' END;
    END IF;
  END IF;
  IF outcome IS NULL OR outcome = 'started' THEN
    SELECT coalesce(outcome, 'known'), c.version, c.id, c.status, c.output, c.error
    INTO outcome, version, run_id, status, output, error
    FROM app.workflow_runs c WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = p_step;
  END IF;
  RETURN NEXT;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- What became of the runs that these steps have started; no row for one that is gone.
CREATE FUNCTION app.read_child_runs(p_org uuid, p_parent uuid, p_steps text[])
RETURNS TABLE (step_key text, run_id uuid, status text, output jsonb, error jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT c.parent_step_key, c.id, c.status, c.output, c.error FROM app.workflow_runs c
    WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = ANY (p_steps);
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Passes on one event of this run's children, or of its parent's, and forgets it; no row when there is none. `outcome` null:
-- there was nobody left to hear it. One at a time, so that no transaction holds the rows of two runs.
CREATE FUNCTION app.settle_child_event(p_org uuid, p_run uuid)
RETURNS TABLE (outcome text, run_id uuid, workflow_id uuid, attempt_count integer, duration_ms double precision,
  age_ms double precision)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT e.* INTO v FROM app.child_run_events e
  WHERE e.org_id = p_org
    AND e.parent_run_id IN (p_run, (SELECT c.parent_run_id FROM app.workflow_runs c WHERE c.org_id = p_org AND c.id = p_run))
  ORDER BY e.next_sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    DELETE FROM app.child_run_events e
    WHERE e.org_id = p_org AND e.parent_run_id = v.parent_run_id AND e.parent_step_key = v.parent_step_key
      AND e.type = v.type;
    IF v.type = 'ended' THEN
      run_id := v.parent_run_id;
      outcome := CASE WHEN app.signal_run(p_org, run_id, 'resume', v.parent_step_key, NULL) THEN 'signalled' END;
    ELSE
      SELECT c.id INTO run_id FROM app.workflow_runs c
      WHERE c.org_id = p_org AND c.parent_run_id = v.parent_run_id AND c.parent_step_key = v.parent_step_key;
      outcome := nullif(app.cancel_run(p_org, run_id,
        jsonb_build_object('type', 'run.cancel_requested', 'byRunId', v.parent_run_id)), 'ended');
    END IF;
    SELECT r.workflow_id, r.attempt_count,
      extract(epoch FROM r.finished_at - coalesce(r.started_at, r.created_at))::double precision * 1000,
      extract(epoch FROM r.finished_at - r.created_at)::double precision * 1000
    INTO workflow_id, attempt_count, duration_ms, age_ms
    FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = run_id;
    RETURN NEXT;
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.start_child_run(uuid, uuid, text, jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.read_child_runs(uuid, uuid, text[]) TO app_worker;
GRANT EXECUTE ON FUNCTION app.settle_child_event(uuid, uuid) TO app_api, app_worker;

GRANT SELECT (org_id, parent_run_id, parent_step_key, type, next_sweep_at), UPDATE (next_sweep_at)
  ON app.child_run_events TO app_resolver;
CREATE POLICY resolver_read ON app.child_run_events FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.child_run_events FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Runs with events that nobody has passed on within a second: as sys.stuck_hook_deliveries (7303025 is an arbitrary number).
CREATE FUNCTION sys.stuck_child_events(p_limit integer) RETURNS TABLE (org_id uuid, run_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT e.org_id, e.parent_run_id, e.parent_step_key, e.type FROM app.child_run_events e
    WHERE e.next_sweep_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303025))
    ORDER BY e.next_sweep_at
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  ), stamped AS (
    UPDATE app.child_run_events e SET next_sweep_at = now() + interval '5 s'
    FROM due WHERE e.org_id = due.org_id AND e.parent_run_id = due.parent_run_id
      AND e.parent_step_key = due.parent_step_key AND e.type = due.type
    RETURNING e.org_id, e.parent_run_id
  )
  SELECT DISTINCT s.org_id, s.parent_run_id FROM stamped s
$$;
GRANT EXECUTE ON FUNCTION sys.stuck_child_events(integer) TO app_api, app_worker;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
