-- A call of claims or records costs little more than its rows (docs/adr/0013-batched-run-writes.md): it passes by what is over in the
-- index of queued runs, and inserts the steps and the timelines of all its runs with one statement each, since to start
-- a statement, and to read the checks of its table, costs more than a row.

-- As in 0022, but p_from makes it cheap: a run that was admitted and has just been claimed. Those before it were claimed before
-- it, and stand in the index until the next vacuum, thousands of them in a long backlog. Only now and then, or when nothing
-- is held behind it, all are looked through: for a run that is older than those admitted before it.
DROP FUNCTION app.admit_runs(uuid, integer);
DROP FUNCTION app.window_room(uuid, integer);
CREATE FUNCTION app.window_room(p_org uuid, p_window integer, p_from uuid DEFAULT '00000000-0000-0000-0000-000000000000') RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
  v_window integer;
  v_most_running integer;
  v_admitted integer;
  v_room integer;
BEGIN
  SELECT p_window * coalesce(l.weight, 1), l.max_concurrent_runs INTO v_window, v_most_running
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  SELECT count(*) INTO v_admitted FROM (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by IS NULL
      AND r.id >= p_from
    LIMIT v_window) AS admitted;
  v_room := v_window - v_admitted;
  IF v_most_running IS NOT NULL AND v_room > 0 THEN
    SELECT least(v_room, v_most_running - v_admitted - count(*)) INTO v_room FROM (
      SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.status = 'running' LIMIT v_most_running) AS running;
  END IF;
  RETURN v_room;
END $$;

CREATE FUNCTION app.admit_runs(p_org uuid, p_window integer, p_from uuid DEFAULT '00000000-0000-0000-0000-000000000000') RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  v_from uuid := CASE WHEN random() < 0.98 THEN p_from ELSE c_first END;
  v_room integer;
  v_admitted uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.admission_lock(p_org));
  WHILE NOT EXISTS (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by = 'organization'
      AND r.id >= v_from)
  LOOP
    IF v_from = c_first THEN
      RETURN NULL;
    END IF;
    v_from := c_first;
  END LOOP;
  v_room := app.window_room(p_org, p_window, v_from);
  IF v_room <= 0 THEN
    RETURN NULL;
  END IF;
  -- Materialized: as a subquery it could be run again for each row, and take others each time.
  WITH oldest AS MATERIALIZED (
    SELECT h.id FROM app.workflow_runs h
    WHERE h.org_id = p_org AND h.status = 'queued' AND h.next_attempt_at IS NULL AND h.held_by = 'organization'
      AND h.id >= v_from
    ORDER BY h.id LIMIT v_room FOR NO KEY UPDATE SKIP LOCKED),
  admitted AS (
    UPDATE app.workflow_runs r SET held_by = NULL, next_sweep_at = now() + interval '3 s'
    FROM oldest WHERE r.org_id = p_org AND r.id = oldest.id
    RETURNING r.id)
  SELECT array_agg(a.id ORDER BY a.id) INTO v_admitted FROM admitted a;
  RETURN v_admitted;
END $$;

-- As in 0022, and says from where runs were claimed.
CREATE OR REPLACE FUNCTION app.claim_runs(p_claims jsonb, p_window integer DEFAULT 16)
RETURNS TABLE (
  number integer, outcome text, now_ms double precision, workflow_id uuid, version integer, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz, has_signals boolean,
  is_counted boolean, has_place boolean, admitted uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v_claim record;
  v_most integer;
  v_places integer;
  v_from uuid;
  v_was_running boolean;
  v_left_window boolean;
BEGIN
  FOR v_of IN
    SELECT (c.e ->> 'orgId')::uuid AS org, jsonb_agg(c.e || jsonb_build_object('n', c.n)) AS claims
    FROM jsonb_array_elements(p_claims) WITH ORDINALITY AS c (e, n) GROUP BY 1 ORDER BY 1
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_from := NULL;
    SELECT l.max_concurrent_runs INTO v_most FROM app.org_run_limits l WHERE l.org_id = v_of.org;
    v_places := NULL;
    IF v_most IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(v_of.org));
      SELECT v_most - count(*) INTO v_places FROM (
        SELECT FROM app.workflow_runs r WHERE r.org_id = v_of.org AND r.status = 'running' LIMIT v_most) AS running;
    END IF;
    FOR v_claim IN
      SELECT (e ->> 'n')::integer AS n, (e ->> 'runId')::uuid AS run,
        (e ->> 'leaseMs')::integer * interval '1 ms' AS lease
      FROM jsonb_array_elements(v_of.claims) AS e ORDER BY 2
    LOOP
      number := v_claim.n;
      admitted := NULL;
      UPDATE app.workflow_runs r
      SET status = 'running', lease_token = r.lease_token + 1, lease_until = now() + v_claim.lease,
        started_at = coalesce(r.started_at, now()), next_attempt_at = NULL,
        lost_claims = r.lost_claims + (r.status = 'running' AND r.lease_until IS NOT NULL)::integer
      WHERE r.org_id = v_of.org AND r.id = v_claim.run AND (r.status = 'running' OR v_places IS NULL OR v_places > 0)
        AND ((r.status = 'queued' AND r.held_by IS NULL
            AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'running' AND r.lease_until < now())
          OR (r.status = 'running' AND r.lease_until IS NULL
            AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read)))
      RETURNING 'claimed', extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version,
        r.state, r.input, r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
        r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz,
        r.signals_sent > r.signals_read, v_places IS NOT NULL, r.concurrency_key IS NOT NULL,
        old.status = 'running', old.status = 'queued' AND old.next_attempt_at IS NULL
      INTO outcome, now_ms, workflow_id, version, state, input, trigger_type, lease_token, lost_claims, attempt_count,
        max_attempts, next_attempt_at, created_at, started_at, has_signals, is_counted, has_place, v_was_running,
        v_left_window;
      IF FOUND THEN
        v_from := CASE WHEN v_left_window THEN least(v_from, v_claim.run) ELSE v_from END;
        v_places := v_places - (NOT v_was_running)::integer;
        RETURN NEXT;
        CONTINUE;
      END IF;
      IF v_places <= 0 THEN
        UPDATE app.workflow_runs r
        SET status = 'queued', held_by = 'organization', next_attempt_at = NULL, next_sweep_at = NULL
        WHERE r.org_id = v_of.org AND r.id = v_claim.run
          AND ((r.status = 'queued' AND r.held_by IS NULL
              AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
            OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read)))
        RETURNING old.status = 'queued' AND old.next_attempt_at IS NULL INTO v_left_window;
        IF FOUND THEN
          v_from := CASE WHEN v_left_window THEN least(v_from, v_claim.run) ELSE v_from END;
          outcome := 'held';
          RETURN NEXT;
          CONTINUE;
        END IF;
      END IF;
      RETURN QUERY
        SELECT v_claim.n, CASE r.status WHEN 'running' THEN 'busy' ELSE 'notDue' END,
          extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version, NULL::jsonb, NULL::jsonb,
          r.trigger_type::text, r.lease_token, r.lost_claims, r.attempt_count::integer, r.max_attempts::integer,
          r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz, false, false, false,
          NULL::uuid[]
        FROM app.workflow_runs r
        WHERE r.org_id = v_of.org AND r.id = v_claim.run AND r.status IN ('queued', 'running', 'waiting');
    END LOOP;
    IF v_from IS NOT NULL THEN
      -- Where a limit holds, runs go back among the held ones that are older than those admitted.
      admitted := CASE WHEN v_most IS NULL THEN app.admit_runs(v_of.org, p_window, v_from)
        ELSE app.admit_runs(v_of.org, p_window) END;
      IF admitted IS NOT NULL THEN
        outcome := 'admitted';
        state := NULL;
        input := NULL;
        RETURN NEXT;
      END IF;
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- As in 0026, but steps and timelines of the runs of an organization are inserted together, once their runs are written. Two records
-- of one step in one call are refused by it; each is then sent alone. A step that was cancelled before its first attempt never
-- started, whoever cancels it.
CREATE OR REPLACE FUNCTION app.record_runs(p_records jsonb) RETURNS TABLE (number integer, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v record;
  v_kept boolean;
  v_echo boolean;
  v_event integer;
  v_sent integer;
  v_runs uuid[];
  v_steps jsonb[];
  v_event_runs uuid[];
  v_events integer[];
  v_entries jsonb[];
BEGIN
  FOR v_of IN
    SELECT c.org, array_agg(c.e ORDER BY c.n) AS records, array_agg(c.n ORDER BY c.n) AS numbers
    FROM (
      SELECT e.n::integer AS n, e.e, (e.e ->> 'orgId')::uuid AS org
      FROM jsonb_array_elements(p_records) WITH ORDINALITY AS e (e, n)) AS c
    GROUP BY c.org ORDER BY c.org
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_runs := '{}';
    v_steps := '{}';
    v_event_runs := '{}';
    v_events := '{}';
    v_entries := '{}';
    FOR v IN
      SELECT c.n, c.e, (c.e ->> 'workflowId')::uuid AS workflow, (c.e ->> 'runId')::uuid AS run,
        (c.e ->> 'recordId')::uuid AS id, c.e ->> 'status' AS status, (c.e ->> 'nextAttemptAt')::timestamptz AS next,
        c.e ->> 'status' IN ('succeeded', 'failed', 'cancelled') AS ended,
        (c.e ->> 'release')::boolean OR c.e ->> 'status' <> 'running' AS released,
        (SELECT coalesce(max(x::integer), 0) FROM jsonb_array_elements_text(c.e -> 'signals') AS x) AS read,
        (c.e ->> 'leaseMs')::integer * interval '1 ms' AS lease
      FROM unnest(v_of.records, v_of.numbers) AS c (e, n) ORDER BY 3, 4, 1
    LOOP
      UPDATE app.workflow_runs r
      SET status = CASE WHEN v.released AND NOT v.ended AND r.signals_sent > greatest(r.signals_read, v.read)
          THEN 'running' ELSE v.status END,
        state = coalesce(v.e -> 'state', r.state), next_attempt_at = v.next,
        attempt_count = greatest(r.attempt_count, (v.e ->> 'attemptCount')::integer),
        output = v.e -> 'output', output_bytes = (v.e ->> 'outputBytes')::integer, error = v.e -> 'error',
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
        event_count = r.event_count + (v.e ? 'entries' AND NOT coalesce(r.last_record_id = v.id, false))::integer,
        last_record_id = v.id
      WHERE r.org_id = v_of.org AND r.id = v.run AND r.lease_token = (v.e ->> 'leaseToken')::bigint AND r.status = 'running'
      RETURNING v.released AND NOT v.ended AND r.lease_until IS NOT NULL, r.event_count, r.signals_sent,
        coalesce(old.last_record_id = v.id, false)
        INTO v_kept, v_event, v_sent, v_echo;
      number := v.n;
      IF NOT FOUND THEN
        v_echo := v.released AND EXISTS (
          SELECT FROM app.workflow_runs r WHERE r.org_id = v_of.org AND r.id = v.run AND r.last_record_id = v.id);
        outcome := CASE WHEN v_echo THEN 'recorded' ELSE 'fenced' END;
        RETURN NEXT;
        CONTINUE;
      END IF;
      outcome := CASE WHEN v_kept THEN 'unread' ELSE 'recorded' END;
      RETURN NEXT;
      CONTINUE WHEN v_echo;
      IF v.e ? 'blobs' THEN
        INSERT INTO app.workflow_run_blobs AS b (org_id, run_id, step_key, field, size_bytes, data)
        SELECT v_of.org, v.run, e ->> 'stepKey', e ->> 'field', (e ->> 'sizeBytes')::integer, decode(e ->> 'data', 'base64')
        FROM jsonb_array_elements(v.e -> 'blobs') AS blob (e)
        WHERE NOT EXISTS (
          SELECT FROM app.workflow_run_steps s
          WHERE s.org_id = v_of.org AND s.run_id = v.run AND s.step_key = e ->> 'stepKey'
            AND s.status IN ('succeeded', 'failed', 'skipped', 'cancelled'))
        ON CONFLICT (org_id, run_id, step_key, field) DO UPDATE
        SET size_bytes = EXCLUDED.size_bytes, data = EXCLUDED.data;
      END IF;
      IF v.e ? 'steps' THEN
        v_runs := v_runs || v.run;
        v_steps := v_steps || (v.e -> 'steps');
      END IF;
      IF v.e ? 'entries' THEN
        v_event_runs := v_event_runs || v.run;
        v_events := v_events || v_event;
        v_entries := v_entries || (v.e -> 'entries');
      END IF;
      IF v_sent > 0 AND (v.ended OR v.read > 0) THEN
        DELETE FROM app.workflow_run_signals s
        WHERE s.org_id = v_of.org AND s.run_id = v.run AND (v.ended OR s.number <= v.read);
      END IF;
      IF v.status = 'failed' THEN
        INSERT INTO app.failure_notices AS n (org_id, workflow_id, failed_count, last_run_id, last_error)
        SELECT v_of.org, v.workflow, 1, v.run, jsonb_build_object(
          'code', left(v.e #>> '{error,code}', 100), 'message', left(v.e #>> '{error,message}', 300))
        FROM app.failure_notice_settings s WHERE s.org_id = v_of.org AND s.channel <> 'none'
        ON CONFLICT (org_id, workflow_id) DO UPDATE
        SET failed_count = n.failed_count + 1, last_run_id = EXCLUDED.last_run_id, last_error = EXCLUDED.last_error;
      END IF;
    END LOOP;
    IF cardinality(v_runs) > 0 THEN
      INSERT INTO app.workflow_run_steps AS s
        (org_id, run_id, step_key, type, status, attempt, input, input_bytes, output, output_bytes, error, started_at,
          finished_at, ordinal)
      SELECT v_of.org, w.run, e ->> 'stepKey', e ->> 'type', e ->> 'status', (e ->> 'attempt')::integer,
        e -> 'input', (e ->> 'inputBytes')::integer, e -> 'output', (e ->> 'outputBytes')::integer,
        nullif(e -> 'error', 'null'),
        coalesce((e ->> 'startedAt')::timestamptz,
          CASE WHEN e ->> 'status' NOT IN ('pending', 'skipped')
            AND NOT (e ->> 'status' = 'cancelled' AND (e ->> 'attempt')::integer = 0) THEN now() END),
        coalesce((e ->> 'finishedAt')::timestamptz,
          CASE WHEN e ->> 'status' IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN now() END),
        n
      FROM unnest(v_runs, v_steps) AS w (run, steps) CROSS JOIN jsonb_array_elements(w.steps) WITH ORDINALITY AS step (e, n)
      ON CONFLICT (org_id, run_id, step_key) DO UPDATE
      SET type = EXCLUDED.type, status = EXCLUDED.status, attempt = EXCLUDED.attempt,
        input = CASE WHEN EXCLUDED.input_bytes IS NULL THEN coalesce(EXCLUDED.input, s.input) END,
        input_bytes = CASE WHEN EXCLUDED.input IS NULL THEN coalesce(EXCLUDED.input_bytes, s.input_bytes) END,
        output = EXCLUDED.output, output_bytes = EXCLUDED.output_bytes, error = EXCLUDED.error,
        started_at = coalesce(s.started_at, EXCLUDED.started_at), finished_at = EXCLUDED.finished_at
      WHERE s.status NOT IN ('succeeded', 'failed', 'skipped', 'cancelled');
    END IF;
    IF cardinality(v_events) > 0 THEN
      INSERT INTO app.workflow_run_events (org_id, run_id, number, entries)
      SELECT v_of.org, w.run, w.number, w.entries FROM unnest(v_event_runs, v_events, v_entries) AS w (run, number, entries);
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.window_room(uuid, integer, uuid) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.admit_runs(uuid, integer, uuid) TO app_api, app_worker;
