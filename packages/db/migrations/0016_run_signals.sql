-- What people and other systems say to a run that was accepted already (R3): its owner reads it, and may not let go of the
-- run before. Both counts only rise, and stand in the run's row: whoever sends and whoever lets go meet on that row's lock.
ALTER TABLE app.workflow_runs
  ADD COLUMN signals_sent integer NOT NULL DEFAULT 0,
  ADD COLUMN signals_read integer NOT NULL DEFAULT 0,
  ADD COLUMN event_count integer NOT NULL DEFAULT 0;

CREATE TABLE app.workflow_run_signals (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  type text NOT NULL CHECK (type IN ('cancel', 'decide', 'resume')),
  step_key text CHECK (char_length(step_key) BETWEEN 1 AND 1000),
  payload jsonb,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, run_id, number),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
-- The timeline of a run: one row for each record of its owner, holding all that happened since the one before.
CREATE TABLE app.workflow_run_events (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  number integer NOT NULL CHECK (number > 0),
  at timestamptz(3) NOT NULL DEFAULT now(),
  entries jsonb NOT NULL CHECK (jsonb_typeof(entries) = 'array'),
  PRIMARY KEY (org_id, run_id, number),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
CREATE TRIGGER never_changed BEFORE UPDATE ON app.workflow_run_events FOR EACH ROW EXECUTE FUNCTION app.refuse_change();

ALTER TABLE app.workflow_run_signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_signals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_signals FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
-- It reads no more than whether a run was told to end already; what nobody will hear goes when the run is cancelled.
GRANT SELECT (org_id, run_id, type), INSERT, DELETE ON app.workflow_run_signals TO app_api;
GRANT SELECT, DELETE ON app.workflow_run_signals TO app_worker;
ALTER TABLE app.workflow_run_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_events FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_run_events TO app_api;
GRANT INSERT ON app.workflow_run_events TO app_worker;

GRANT UPDATE (signals_read, event_count) ON app.workflow_runs TO app_worker;
-- To cancel a run that nobody owns, and to say something to one that somebody does.
GRANT UPDATE (status, next_attempt_at, lease_token, lease_until, next_sweep_at, finished_at, signals_sent, signals_read,
  event_count) ON app.workflow_runs TO app_api;
GRANT INSERT, UPDATE (status, finished_at) ON app.workflow_run_steps TO app_api;

DROP FUNCTION app.claim_run(uuid, uuid, integer);
DROP FUNCTION app.record_run(uuid, uuid, bigint, integer, text, jsonb, timestamptz, integer, jsonb, jsonb, jsonb, boolean);
DROP FUNCTION app.heartbeat_run(uuid, uuid, bigint, integer);

-- The hot path, as in 0005: each function names the organization of the row it is at, does its work under the caller's own
-- grants and policies, and clears the name at the end. They take many runs at once because a busy program has many: what
-- costs is the way there and back and the commit, not the rows (docs/adr/0013-batched-run-writes.md).

-- Claims each run that is due, or was lost by its owner, or has something unread. `number` is the place in p_claims; no row
-- for a run with nothing left to do.
CREATE FUNCTION app.claim_runs(p_claims jsonb)
RETURNS TABLE (
  number integer, outcome text, now_ms double precision, workflow_id uuid, version integer, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz, has_signals boolean)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_claim record;
BEGIN
  FOR v_claim IN
    SELECT c.n::integer AS n, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'runId')::uuid AS run,
      (c.e ->> 'leaseMs')::integer * interval '1 ms' AS lease
    FROM jsonb_array_elements(p_claims) WITH ORDINALITY AS c (e, n) ORDER BY 2, 3
  LOOP
    PERFORM set_config('app.current_org_id', v_claim.org::text, true);
    RETURN QUERY
      UPDATE app.workflow_runs r
      SET status = 'running', lease_token = r.lease_token + 1, lease_until = now() + v_claim.lease,
        started_at = coalesce(r.started_at, now()), next_attempt_at = NULL,
        lost_claims = r.lost_claims + (r.status = 'running' AND r.lease_until IS NOT NULL)::integer
      WHERE r.org_id = v_claim.org AND r.id = v_claim.run
        AND ((r.status = 'queued' AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'running' AND r.lease_until < now())
          OR (r.status = 'running' AND r.lease_until IS NULL
            AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read)))
      RETURNING v_claim.n, 'claimed', extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version,
        r.state, r.input, r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
        r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz,
        r.signals_sent > r.signals_read;
    IF NOT FOUND THEN
      RETURN QUERY
        SELECT v_claim.n, CASE r.status WHEN 'running' THEN 'busy' ELSE 'notDue' END,
          extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version, NULL::jsonb, NULL::jsonb,
          r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
          r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz, false
        FROM app.workflow_runs r
        WHERE r.org_id = v_claim.org AND r.id = v_claim.run AND r.status IN ('queued', 'running', 'waiting');
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- A published version's document, which never changes: programs keep it.
CREATE FUNCTION app.load_version(p_org uuid, p_workflow uuid, p_version integer) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_definition jsonb;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT v.definition INTO v_definition FROM app.workflow_versions v
  WHERE v.org_id = p_org AND v.workflow_id = p_workflow AND v.version = p_version;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_definition;
END $$;

-- Writes one transition of each of these runs (R1). 'fenced', and nothing written of it, unless the caller still holds that
-- run's lease. 'unread': all is written, but a run that was to be given up has unread signals and stays with the caller,
-- running. A key that is absent is SQL null, a key that is null is JSON null; an absent state keeps the stored one. A step
-- that has ended is left as it is (R2). A lease lost again and again without any progress must stay countable, so a step
-- that merely started does not reset the count: the step may be what kills the worker. A run that fails is counted for a
-- notice, if its organization wants any; only the beginning of the message is kept, it may quote a value.
-- Signals are read in their order, so the highest number tells them all: a record that is sent once more, because its answer
-- was lost, reads nothing twice. Whatever a run had still to hear goes with its end.
-- In this order, which is that of heartbeat_runs, so that calls wait for each other's rows and notices but never in a circle.
CREATE FUNCTION app.record_runs(p_records jsonb) RETURNS TABLE (number integer, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_kept boolean;
  v_event integer;
  v_sent integer;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, c.e ->> 'status' AS status, (c.e ->> 'nextAttemptAt')::timestamptz AS next,
      c.e ->> 'status' IN ('succeeded', 'failed', 'cancelled') AS ended,
      (c.e ->> 'release')::boolean OR c.e ->> 'status' <> 'running' AS released,
      (SELECT coalesce(max(x::integer), 0) FROM jsonb_array_elements_text(c.e -> 'signals') AS x) AS read,
      (c.e ->> 'leaseMs')::integer * interval '1 ms' AS lease
    FROM jsonb_array_elements(p_records) WITH ORDINALITY AS c (e, n) ORDER BY 3, 4, 5
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    UPDATE app.workflow_runs r
    SET status = CASE WHEN v.released AND NOT v.ended AND r.signals_sent > greatest(r.signals_read, v.read)
        THEN 'running' ELSE v.status END,
      state = coalesce(v.e -> 'state', r.state), next_attempt_at = v.next,
      attempt_count = greatest(r.attempt_count, (v.e ->> 'attemptCount')::integer),
      output = v.e -> 'output', error = v.e -> 'error',
      lost_claims = CASE WHEN v.status <> 'running' OR (v.e ->> 'hasProgress')::boolean THEN 0 ELSE r.lost_claims END,
      lease_until = CASE WHEN NOT v.released OR NOT v.ended AND r.signals_sent > greatest(r.signals_read, v.read)
        THEN now() + v.lease END,
      next_sweep_at = CASE
        WHEN v.ended THEN NULL
        WHEN NOT v.released OR r.signals_sent > greatest(r.signals_read, v.read)
          THEN coalesce(r.next_sweep_at, date_trunc('milliseconds', now()))
        WHEN v.status = 'waiting' THEN v.next
        ELSE coalesce(v.next, date_trunc('milliseconds', now())) END, -- the column would round up, into the future
      finished_at = CASE WHEN v.ended THEN now() END,
      signals_read = CASE WHEN v.ended THEN r.signals_sent
        ELSE greatest(r.signals_read, least(v.read, r.signals_sent)) END,
      event_count = r.event_count + (v.e ? 'entries')::integer
    WHERE r.org_id = v.org AND r.id = v.run AND r.lease_token = (v.e ->> 'leaseToken')::bigint AND r.status = 'running'
    RETURNING v.released AND NOT v.ended AND r.lease_until IS NOT NULL, r.event_count, r.signals_sent
      INTO v_kept, v_event, v_sent;
    number := v.n;
    outcome := CASE WHEN NOT FOUND THEN 'fenced' WHEN v_kept THEN 'unread' ELSE 'recorded' END;
    RETURN NEXT;
    CONTINUE WHEN outcome = 'fenced';
    IF v.e ? 'steps' THEN
      INSERT INTO app.workflow_run_steps AS s
        (org_id, run_id, step_key, type, status, attempt, input, output, error, started_at, finished_at, ordinal)
      SELECT v.org, v.run, e ->> 'stepKey', e ->> 'type', e ->> 'status', (e ->> 'attempt')::integer,
        e -> 'input', e -> 'output', nullif(e -> 'error', 'null'),
        coalesce((e ->> 'startedAt')::timestamptz,
          CASE WHEN e ->> 'status' NOT IN ('pending', 'skipped') THEN now() END),
        coalesce((e ->> 'finishedAt')::timestamptz,
          CASE WHEN e ->> 'status' IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN now() END),
        n
      FROM jsonb_array_elements(v.e -> 'steps') WITH ORDINALITY AS step (e, n)
      ON CONFLICT (org_id, run_id, step_key) DO UPDATE
      SET type = EXCLUDED.type, status = EXCLUDED.status, attempt = EXCLUDED.attempt,
        input = coalesce(EXCLUDED.input, s.input), output = EXCLUDED.output, error = EXCLUDED.error,
        started_at = coalesce(s.started_at, EXCLUDED.started_at), finished_at = EXCLUDED.finished_at
      WHERE s.status NOT IN ('succeeded', 'failed', 'skipped', 'cancelled');
    END IF;
    IF v.e ? 'entries' THEN
      INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
      VALUES (v.org, v.run, v_event, v.e -> 'entries');
    END IF;
    IF v_sent > 0 AND (v.ended OR v.read > 0) THEN
      DELETE FROM app.workflow_run_signals s
      WHERE s.org_id = v.org AND s.run_id = v.run AND (v.ended OR s.number <= v.read);
    END IF;
    IF v.status = 'failed' THEN
      INSERT INTO app.failure_notices AS n (org_id, workflow_id, failed_count, last_run_id, last_error)
      SELECT v.org, v.workflow, 1, v.run, jsonb_build_object(
        'code', left(v.e #>> '{error,code}', 100), 'message', left(v.e #>> '{error,message}', 300))
      FROM app.failure_notice_settings s WHERE s.org_id = v.org AND s.channel <> 'none'
      ON CONFLICT (org_id, workflow_id) DO UPDATE
      SET failed_count = n.failed_count + 1, last_run_id = EXCLUDED.last_run_id, last_error = EXCLUDED.last_error;
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Starts the leases anew, and says of each run whether the caller still owns it and has something to read. In the order of
-- record_runs: a program's heartbeat and its records touch the same runs at the same time.
CREATE FUNCTION app.heartbeat_runs(p_leases jsonb)
RETURNS TABLE (number integer, is_owner boolean, has_signals boolean)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'leaseToken')::bigint AS token,
      (c.e ->> 'leaseMs')::integer * interval '1 ms' AS lease
    FROM jsonb_array_elements(p_leases) WITH ORDINALITY AS c (e, n) ORDER BY 2, 3, 4
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    number := v.n;
    UPDATE app.workflow_runs r SET lease_until = now() + v.lease
    WHERE r.org_id = v.org AND r.id = v.run AND r.lease_token = v.token AND r.status = 'running'
      AND r.lease_until IS NOT NULL -- handed back meanwhile: a late heartbeat must not take it again
    RETURNING r.signals_sent > r.signals_read INTO has_signals;
    is_owner := FOUND;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

CREATE FUNCTION app.read_signals(p_org uuid, p_run uuid)
RETURNS TABLE (number integer, type text, step_key text, payload jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT s.number, s.type, s.step_key, s.payload FROM app.workflow_run_signals s
    WHERE s.org_id = p_org AND s.run_id = p_run ORDER BY s.number LIMIT 100;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Says something to a run. False: there is no such run that could still hear it. A run that nobody owns is due from now on.
-- Unlike those above, this and the next one are part of a transaction of their organization, whose name they leave alone.
CREATE FUNCTION app.signal_run(p_org uuid, p_run uuid, p_type text, p_step text, p_payload jsonb) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_number integer;
BEGIN
  UPDATE app.workflow_runs r
  SET signals_sent = r.signals_sent + 1, next_sweep_at = date_trunc('milliseconds', now())
  WHERE r.org_id = p_org AND r.id = p_run AND r.status IN ('queued', 'running', 'waiting')
  RETURNING r.signals_sent INTO v_number;
  IF v_number IS NOT NULL THEN
    INSERT INTO app.workflow_run_signals (org_id, run_id, number, type, step_key, payload)
    VALUES (p_org, p_run, v_number, p_type, p_step, p_payload);
  END IF;
  RETURN v_number IS NOT NULL;
END $$;

-- Cancels a run. 'cancelled': nobody owned it, so it ended here and now, and whoever believes to own it is fenced.
-- 'signalled': its owner is told, once however often that is asked, and ends it. 'ended': it had ended before. Null: there
-- is no such run.
CREATE FUNCTION app.cancel_run(p_org uuid, p_run uuid, p_entry jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_outcome text;
  v_is_told boolean := false;
  v_run app.workflow_runs;
BEGIN
  SELECT * INTO v_run FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_run FOR NO KEY UPDATE;
  IF v_run.status IN ('succeeded', 'failed', 'cancelled') THEN
    v_outcome := 'ended';
  ELSIF v_run.status = 'running' AND v_run.lease_until >= now() THEN
    v_outcome := 'signalled';
    v_is_told := EXISTS (
      SELECT FROM app.workflow_run_signals s WHERE s.org_id = p_org AND s.run_id = p_run AND s.type = 'cancel');
  ELSIF v_run.status IS NOT NULL THEN
    v_outcome := 'cancelled';
    UPDATE app.workflow_runs r
    SET status = 'cancelled', finished_at = now(), lease_token = r.lease_token + 1, lease_until = NULL,
      next_attempt_at = NULL, next_sweep_at = NULL, signals_read = r.signals_sent, event_count = r.event_count + 1
    WHERE r.org_id = p_org AND r.id = p_run;
    UPDATE app.workflow_run_steps s SET status = 'cancelled', finished_at = now()
    WHERE s.org_id = p_org AND s.run_id = p_run AND s.status IN ('pending', 'running', 'waiting');
    INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, finished_at, ordinal)
    SELECT p_org, p_run, e ->> 'id', e ->> 'type', 'cancelled', now(), n
    FROM app.workflow_versions w, jsonb_array_elements(w.definition -> 'nodes') WITH ORDINALITY AS node (e, n)
    WHERE w.org_id = p_org AND w.workflow_id = v_run.workflow_id AND w.version = v_run.version
    ON CONFLICT (org_id, run_id, step_key) DO NOTHING;
    INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
    VALUES (p_org, p_run, v_run.event_count + 1, jsonb_build_array(p_entry));
    DELETE FROM app.workflow_run_signals s WHERE s.org_id = p_org AND s.run_id = p_run;
  END IF;
  IF v_outcome = 'signalled' AND NOT v_is_told AND NOT app.signal_run(p_org, p_run, 'cancel', NULL, p_entry) THEN
    RAISE EXCEPTION 'the run % vanished under its lock', p_run;
  END IF;
  RETURN v_outcome;
END $$;

-- As before, without the values of iterations: rows of the engine, not steps.
CREATE OR REPLACE FUNCTION app.read_run(p_org uuid, p_workflow uuid, p_run uuid) RETURNS json
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_found json;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT json_build_object(
      'run', json_build_object(
        'id', r.id, 'organizationId', r.org_id, 'workflowId', r.workflow_id, 'version', r.version,
        'triggerType', r.trigger_type, 'status', r.status, 'attemptCount', r.attempt_count,
        'maxAttempts', r.max_attempts, 'nextAttemptAt', to_char(r.next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'retryOfRunId', r.retry_of_run_id, 'requestedByUserId', r.requested_by_user_id,
        'input', r.input, 'output', r.output, 'error', r.error, 'createdAt', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'startedAt', to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'finishedAt', to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
      'steps', coalesce((
        SELECT json_agg(json_build_object(
            'stepId', s.step_key, 'type', s.type, 'status', s.status, 'attempt', s.attempt, 'input', s.input,
            'output', s.output, 'error', s.error, 'startedAt', to_char(s.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'finishedAt', to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY s.started_at, s.ordinal)
        FROM app.workflow_run_steps s WHERE s.org_id = p_org AND s.run_id = p_run AND s.type <> 'iteration'), '[]'))
    INTO v_found
    FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_run AND r.workflow_id = p_workflow;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_found;
END $$;

GRANT EXECUTE ON FUNCTION app.claim_runs(jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.load_version(uuid, uuid, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.record_runs(jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.heartbeat_runs(jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.read_signals(uuid, uuid) TO app_worker;
GRANT EXECUTE ON FUNCTION app.signal_run(uuid, uuid, text, text, jsonb) TO app_api;
GRANT EXECUTE ON FUNCTION app.cancel_run(uuid, uuid, jsonb) TO app_api;

GRANT SELECT (signals_sent, signals_read) ON app.workflow_runs TO app_resolver;
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;

-- As in 0004, and a run without an owner that has something unread is stuck as well, whatever time it waits for: whoever
-- said it may have died before waking a worker.
CREATE OR REPLACE FUNCTION sys.stuck_runs(p_limit integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT r.org_id, r.id,
      CASE
        WHEN r.status = 'running' AND r.lease_until > now() THEN r.lease_until
        WHEN r.lease_until IS NULL AND r.next_attempt_at > now() AND r.signals_sent = r.signals_read THEN r.next_attempt_at
      END AS legitimate_until,
      r.status = 'waiting' AND r.next_attempt_at IS NULL AND r.signals_sent = r.signals_read AS has_no_time
    FROM app.workflow_runs r
    WHERE r.next_sweep_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303001))
    ORDER BY r.next_sweep_at
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  ), stamped AS (
    UPDATE app.workflow_runs r
    SET next_sweep_at = CASE
      WHEN due.has_no_time THEN NULL
      ELSE coalesce(due.legitimate_until, now() + interval '10 s') END
    FROM due WHERE r.org_id = due.org_id AND r.id = due.id
  )
  SELECT due.org_id, due.id FROM due WHERE due.legitimate_until IS NULL AND NOT due.has_no_time
$$;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
