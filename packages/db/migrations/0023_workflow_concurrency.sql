-- settings.concurrency: at most so many runs of a workflow, or of one key of it, at a time. A run that has begun takes a place
-- from then until it ends, also while it waits for something: concurrency_key is set and held_by is not 'concurrency'. One that
-- waits for a place is queued and held by 'concurrency'. An ended run that still has a key has not given its place on yet:
-- whoever ended it does, or a sweeper. Workflows without the setting take no part in any of this.
CREATE INDEX workflow_runs_places ON app.workflow_runs (org_id, workflow_id, concurrency_key, id)
  WHERE concurrency_key IS NOT NULL AND finished_at IS NULL;
CREATE INDEX workflow_runs_left_places ON app.workflow_runs (finished_at)
  WHERE concurrency_key IS NOT NULL AND finished_at IS NOT NULL;
GRANT UPDATE (concurrency_key, concurrency_limit) ON app.workflow_runs TO app_api, app_worker;

-- A worker cancels runs that a newer one takes the place of (app.cancel_run).
GRANT INSERT ON app.workflow_run_signals TO app_worker;
GRANT UPDATE (signals_sent) ON app.workflow_runs TO app_worker;
GRANT EXECUTE ON FUNCTION app.cancel_run(uuid, uuid, jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.signal_run(uuid, uuid, text, text, jsonb) TO app_worker;

CREATE FUNCTION app.concurrency_lock(p_org uuid, p_workflow uuid, p_key text) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT hashtextextended(p_org::text || p_workflow::text || p_key, 7303024)
$$;

-- Gives free places to those that wait for them, the oldest first, each by the limit of its own version. Under the lock.
CREATE FUNCTION app.fill_places(p_org uuid, p_workflow uuid, p_key text) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_taken integer;
  v_next record;
  v_given uuid[] := '{}';
BEGIN
  SELECT count(*) INTO v_taken FROM app.workflow_runs r
  WHERE r.org_id = p_org AND r.workflow_id = p_workflow AND r.concurrency_key = p_key AND r.finished_at IS NULL
    AND r.held_by IS DISTINCT FROM 'concurrency';
  FOR v_next IN
    SELECT r.id, r.concurrency_limit FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.workflow_id = p_workflow AND r.concurrency_key = p_key AND r.finished_at IS NULL
      AND r.held_by = 'concurrency'
    ORDER BY r.id
  LOOP
    EXIT WHEN v_taken >= v_next.concurrency_limit;
    UPDATE app.workflow_runs r
    SET held_by = NULL,
      next_sweep_at = CASE WHEN r.status = 'queued' THEN now() + interval '3 s' ELSE r.next_sweep_at END
    WHERE r.org_id = p_org AND r.id = v_next.id AND r.finished_at IS NULL AND r.held_by = 'concurrency';
    IF FOUND THEN
      v_taken := v_taken + 1;
      v_given := v_given || v_next.id;
    END IF;
  END LOOP;
  RETURN v_given;
END $$;

-- A run whose owner is about to begin it asks for a place. 'entered': it has one. 'held': it was given up and waits for one.
-- 'full': there is none, and it does not want to wait (p_when_full 'skip'). 'cancelled': it was to wait, but somebody had
-- cancelled it. 'fenced': it is not the caller's any more. With 'cancelOldest' older runs make room; those that an owner has to
-- stop first keep their places until then, so that never more than p_limit runs are at work. woken: runs that got a place.
-- told: runs whose owner has to hear of it. ended: runs that were cancelled here and now.
CREATE FUNCTION app.enter_concurrency(
  p_org uuid, p_workflow uuid, p_run uuid, p_token bigint, p_key text, p_limit integer, p_when_full text)
RETURNS TABLE (outcome text, woken uuid[], told uuid[], ended jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_run app.workflow_runs;
  v_count integer;
  v_old record;
  v_cancel jsonb;
  v_how text;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  PERFORM pg_advisory_xact_lock(app.concurrency_lock(p_org, p_workflow, p_key));
  woken := '{}';
  told := '{}';
  ended := '[]';
  SELECT r.* INTO v_run FROM app.workflow_runs r
  WHERE r.org_id = p_org AND r.id = p_run AND r.lease_token = p_token AND r.status = 'running';
  SELECT count(*) INTO v_count FROM app.workflow_runs r
  WHERE r.org_id = p_org AND r.workflow_id = p_workflow AND r.concurrency_key = p_key AND r.finished_at IS NULL
    AND r.held_by IS DISTINCT FROM 'concurrency';
  outcome := CASE
    WHEN v_run.id IS NULL THEN 'fenced'
    WHEN v_run.concurrency_key IS NOT NULL THEN 'entered' -- asked once more, because the answer was lost
    WHEN p_when_full = 'skip' AND v_count >= p_limit THEN 'full' END;
  IF outcome IS NULL AND p_when_full = 'cancelOldest' THEN
    -- Before the row of the run itself is locked, as in heartbeat_runs: the older ones come first.
    FOR v_old IN
      SELECT o.id FROM (
        SELECT r.id FROM app.workflow_runs r
        WHERE r.org_id = p_org AND r.workflow_id = p_workflow AND r.concurrency_key = p_key AND r.finished_at IS NULL
          AND NOT EXISTS (
            SELECT FROM app.workflow_run_signals s
            WHERE s.org_id = p_org AND s.run_id = r.id AND s.type = 'cancel')
        ORDER BY r.id DESC OFFSET p_limit - 1) AS o
      ORDER BY o.id
    LOOP
      v_how := app.cancel_run(p_org, v_old.id, jsonb_build_object(
        'type', 'run.cancel_requested', 'by', NULL, 'reason', 'CONCURRENCY_LIMIT', 'forRunId', p_run));
      IF v_how = 'signalled' THEN
        told := told || v_old.id;
      ELSIF v_how = 'cancelled' THEN
        UPDATE app.workflow_runs r SET concurrency_key = NULL WHERE r.org_id = p_org AND r.id = v_old.id
        RETURNING ended || jsonb_build_object('runId', r.id, 'attemptCount', r.attempt_count,
          'durationMs', round(extract(epoch FROM r.finished_at - coalesce(r.started_at, r.created_at)) * 1000),
          'ageMs', round(extract(epoch FROM r.finished_at - r.created_at) * 1000))
        INTO ended;
      END IF;
    END LOOP;
  END IF;
  IF outcome IS NULL THEN
    UPDATE app.workflow_runs r
    SET concurrency_key = p_key, concurrency_limit = p_limit, held_by = 'concurrency'
    WHERE r.org_id = p_org AND r.id = p_run AND r.lease_token = p_token AND r.status = 'running';
    IF NOT FOUND THEN
      outcome := 'fenced';
    END IF;
  END IF;
  IF outcome IS NULL THEN
    woken := app.fill_places(p_org, p_workflow, p_key);
    outcome := CASE WHEN p_run = ANY (woken) THEN 'entered' ELSE 'held' END;
    woken := array_remove(woken, p_run);
    IF outcome = 'held' THEN
      UPDATE app.workflow_runs r
      SET status = 'queued', lease_until = NULL, next_sweep_at = NULL, lost_claims = 0, event_count = r.event_count + 1,
        started_at = CASE WHEN r.state IS NOT NULL THEN r.started_at END
      WHERE r.org_id = p_org AND r.id = p_run RETURNING r.event_count INTO v_count;
      INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
      VALUES (p_org, p_run, v_count, jsonb_build_array(jsonb_build_object(
        'type', 'run.held', 'reason', 'CONCURRENCY_LIMIT', 'limit', p_limit, 'key', nullif(p_key, ''))));
      SELECT s.payload INTO v_cancel FROM app.workflow_run_signals s
      WHERE s.org_id = p_org AND s.run_id = p_run AND s.type = 'cancel';
      IF FOUND THEN
        PERFORM app.cancel_run(p_org, p_run, v_cancel);
        outcome := 'cancelled';
      END IF;
    END IF;
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN NEXT;
END $$;

-- Gives the place of an ended run on; answers the runs that got one. Nothing for a run that has none, or gave it on before.
CREATE FUNCTION app.leave_concurrency(p_org uuid, p_run uuid) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_workflow uuid;
  v_key text;
  v_woken uuid[];
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT r.workflow_id, r.concurrency_key INTO v_workflow, v_key FROM app.workflow_runs r
  WHERE r.org_id = p_org AND r.id = p_run AND r.finished_at IS NOT NULL AND r.concurrency_key IS NOT NULL;
  IF FOUND THEN
    PERFORM pg_advisory_xact_lock(app.concurrency_lock(p_org, v_workflow, v_key));
    UPDATE app.workflow_runs r SET concurrency_key = NULL WHERE r.org_id = p_org AND r.id = p_run;
    v_woken := app.fill_places(p_org, v_workflow, v_key);
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN coalesce(v_woken, '{}');
END $$;

GRANT EXECUTE ON FUNCTION app.concurrency_lock(uuid, uuid, text) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.fill_places(uuid, uuid, text) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.enter_concurrency(uuid, uuid, uuid, bigint, text, integer, text) TO app_worker;
GRANT EXECUTE ON FUNCTION app.leave_concurrency(uuid, uuid) TO app_api, app_worker;

GRANT SELECT (concurrency_key, finished_at) ON app.workflow_runs TO app_resolver;
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Ended runs whose place nobody has given on, the first ended first. One process at a time gets any (7303025 is an arbitrary
-- number; the lock ends with the transaction).
CREATE FUNCTION sys.left_places(p_limit integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.org_id, r.id FROM app.workflow_runs r
  WHERE r.concurrency_key IS NOT NULL AND r.finished_at IS NOT NULL AND (SELECT pg_try_advisory_xact_lock(7303025))
  ORDER BY r.finished_at LIMIT p_limit
$$;
GRANT EXECUTE ON FUNCTION sys.left_places(integer) TO app_api, app_worker;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
