-- Claims and records update the runs of an organization with one statement each, as they insert steps. To start an UPDATE of
-- runs costs more than a row of it: its checks, generated columns and triggers are read from text each time.
--
-- The rows are locked first, in the order in which everybody locks runs, each found by the primary key on its own. Then
-- nothing can move them, and the UPDATE finds them by where they are: its plan cannot begin at an index of the organization,
-- which reads all runs of one. So that no planner sees it otherwise, the functions below leave it no other way. What fires while
-- they write must bring its own settings.
ALTER FUNCTION app.note_child_end() SET enable_indexscan = on;
ALTER FUNCTION app.note_child_end() SET enable_bitmapscan = on;

-- p_tids: where the runs are, locked by the caller and free to be claimed. The other arrays belong to them one by one.
CREATE FUNCTION app.write_claims(p_org uuid, p_tids tid[], p_numbers integer[], p_leases interval[], p_is_counted boolean)
RETURNS TABLE (
  number integer, outcome text, now_ms double precision, workflow_id uuid, version integer, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz, has_signals boolean,
  is_counted boolean, has_place boolean, admitted uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE app.workflow_runs r
    SET status = 'running', lease_token = r.lease_token + 1, lease_until = now() + c.lease,
      started_at = coalesce(r.started_at, now()), next_attempt_at = NULL,
      lost_claims = r.lost_claims + (r.status = 'running' AND r.lease_until IS NOT NULL)::integer
    FROM unnest(p_tids, p_numbers, p_leases) AS c (tid, n, lease)
    WHERE r.ctid = c.tid AND r.org_id = p_org
    RETURNING c.n, 'claimed', extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version,
      r.state, r.input, r.trigger_type::text, r.lease_token, r.lost_claims, r.attempt_count::integer, r.max_attempts::integer,
      r.next_attempt_at, r.created_at, r.started_at, r.signals_sent > r.signals_read, p_is_counted,
      r.concurrency_key IS NOT NULL, NULL::uuid[];
END $$;
GRANT EXECUTE ON FUNCTION app.write_claims(uuid, tid[], integer[], interval[], boolean) TO app_worker;

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
  v_part record;
  v_free record;
  v_claim record;
  v_most integer;
  v_places integer;
  v_from uuid;
  v_left_window boolean;
BEGIN
  FOR v_of IN
    SELECT c.org, array_agg(c.run ORDER BY c.run) AS runs, array_agg(c.n ORDER BY c.run) AS numbers,
      array_agg(c.lease ORDER BY c.run) AS leases
    FROM (
      SELECT e.n::integer AS n, (e.e ->> 'orgId')::uuid AS org, (e.e ->> 'runId')::uuid AS run,
        (e.e ->> 'leaseMs')::integer * interval '1 ms' AS lease,
        row_number() OVER (PARTITION BY e.e ->> 'runId' ORDER BY e.n) AS nth
      FROM jsonb_array_elements(p_claims) WITH ORDINALITY AS e (e, n)) AS c
    GROUP BY c.org, c.nth ORDER BY c.org, c.nth
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_from := NULL;
    admitted := NULL;
    SELECT l.max_concurrent_runs INTO v_most FROM app.org_run_limits l WHERE l.org_id = v_of.org;
    v_places := NULL;
    IF v_most IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(v_of.org));
      v_places := v_most - app.count_running(v_of.org, v_most);
    END IF;
    -- One after another where places are counted.
    FOR v_part IN
      SELECT array_agg(c.run ORDER BY c.run) AS runs, array_agg(c.n ORDER BY c.run) AS numbers,
        array_agg(c.lease ORDER BY c.run) AS leases
      FROM unnest(v_of.runs, v_of.numbers, v_of.leases) AS c (run, n, lease)
      GROUP BY CASE WHEN v_places IS NOT NULL THEN c.run END ORDER BY CASE WHEN v_places IS NOT NULL THEN c.run END
    LOOP
      -- One lookup after another, in this order: a subquery that locks is not merged into a join.
      SELECT array_agg(f.tid) AS tids, array_agg(c.n) AS numbers, array_agg(c.lease) AS leases,
        count(*) FILTER (WHERE NOT f.was_running) AS started,
        (array_agg(c.run ORDER BY c.run) FILTER (WHERE f.left_window))[1] AS from_run
      INTO v_free
      FROM unnest(v_part.runs, v_part.numbers, v_part.leases) AS c (run, n, lease)
      CROSS JOIN LATERAL (
        SELECT r.ctid AS tid, r.status = 'running' AS was_running,
          r.status = 'queued' AND r.next_attempt_at IS NULL AS left_window
        FROM app.workflow_runs r
        WHERE r.org_id = v_of.org AND r.id = c.run AND (r.status = 'running' OR v_places IS NULL OR v_places > 0)
          AND ((r.status = 'queued' AND r.held_by IS NULL
              AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
            OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read))
            OR (r.status = 'running' AND r.lease_until < now())
            OR (r.status = 'running' AND r.lease_until IS NULL
              AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read)))
        FOR NO KEY UPDATE) AS f;
      IF v_free.tids IS NOT NULL THEN
        RETURN QUERY SELECT * FROM app.write_claims(v_of.org, v_free.tids, v_free.numbers, v_free.leases, v_places IS NOT NULL);
        v_from := least(v_from, v_free.from_run);
        v_places := v_places - v_free.started;
        CONTINUE WHEN cardinality(v_free.tids) = cardinality(v_part.runs);
      END IF;
      FOR v_claim IN
        SELECT c.run, c.n FROM unnest(v_part.runs, v_part.numbers) AS c (run, n)
        WHERE v_free.numbers IS NULL OR c.n <> ALL (v_free.numbers)
      LOOP
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
            number := v_claim.n;
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
    END LOOP;
    IF v_from IS NOT NULL THEN
      -- Where a limit holds, runs go back among the held ones that are older than those admitted.
      admitted := CASE WHEN v_most IS NULL THEN app.admit_runs(v_of.org, p_window, v_from)
        ELSE app.admit_runs(v_of.org, p_window) END;
      IF admitted IS NOT NULL THEN
        number := v_of.numbers[1];
        outcome := 'admitted';
        RETURN NEXT;
      END IF;
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- p_tids: where the runs are, locked by the caller, who owns them. Records and numbers belong to them one by one. is_echo: the
-- record was written before. `sent`: signals that were ever sent to the run; `read`: the last that this record has taken in.
CREATE FUNCTION app.write_records(p_org uuid, p_tids tid[], p_numbers integer[], p_records jsonb[])
RETURNS TABLE (number integer, is_kept boolean, is_echo boolean, ended boolean, event integer, sent integer, read integer)
LANGUAGE plpgsql SET search_path = pg_catalog
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE app.workflow_runs r
    SET status = CASE WHEN v.released AND NOT v.ended AND r.signals_sent > greatest(r.signals_read, v.read)
        THEN 'running' ELSE v.status END,
      state = coalesce(v.e -> 'state', r.state), next_attempt_at = v.next,
      attempt_count = greatest(r.attempt_count, (v.e ->> 'attemptCount')::integer),
      output = v.e -> 'output', output_bytes = (v.e ->> 'outputBytes')::integer, error = v.e -> 'error',
      lost_claims = CASE WHEN v.status <> 'running' OR (v.e ->> 'hasProgress')::boolean THEN 0 ELSE r.lost_claims END,
      lease_until = CASE WHEN NOT v.released OR NOT v.ended AND r.signals_sent > greatest(r.signals_read, v.read)
        THEN now() + (v.e ->> 'leaseMs')::integer * interval '1 ms' END,
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
    FROM (
      SELECT c.tid, c.n, c.e, (c.e ->> 'recordId')::uuid AS id, c.e ->> 'status' AS status,
        (c.e ->> 'nextAttemptAt')::timestamptz AS next, c.e ->> 'status' IN ('succeeded', 'failed', 'cancelled') AS ended,
        (c.e ->> 'release')::boolean OR c.e ->> 'status' <> 'running' AS released,
        (SELECT coalesce(max(x::integer), 0) FROM jsonb_array_elements_text(c.e -> 'signals') AS x) AS read
      FROM unnest(p_tids, p_numbers, p_records) AS c (tid, n, e)
      OFFSET 0) AS v -- or each expression would be computed once more wherever it stands
    WHERE r.ctid = v.tid AND r.org_id = p_org
    RETURNING v.n, v.released AND NOT v.ended AND r.lease_until IS NOT NULL, coalesce(old.last_record_id = v.id, false),
      v.ended, r.event_count::integer, r.signals_sent::integer, v.read;
END $$;
GRANT EXECUTE ON FUNCTION app.write_records(uuid, tid[], integer[], jsonb[]) TO app_worker;

CREATE OR REPLACE FUNCTION app.record_runs(p_records jsonb) RETURNS TABLE (number integer, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v_owned record;
  v record;
  v_runs uuid[];
  v_steps jsonb[];
  v_event_runs uuid[];
  v_events integer[];
  v_entries jsonb[];
BEGIN
  FOR v_of IN
    SELECT c.org, array_agg(c.e ORDER BY c.workflow, c.run) AS records, array_agg(c.n ORDER BY c.workflow, c.run) AS numbers
    FROM (
      SELECT e.n::integer AS n, e.e, (e.e ->> 'orgId')::uuid AS org, (e.e ->> 'workflowId')::uuid AS workflow,
        (e.e ->> 'runId')::uuid AS run, row_number() OVER (PARTITION BY e.e ->> 'runId' ORDER BY e.n) AS nth
      FROM jsonb_array_elements(p_records) WITH ORDINALITY AS e (e, n)) AS c
    GROUP BY c.org, c.nth ORDER BY c.org, c.nth
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    -- As in claim_runs.
    SELECT array_agg(o.tid) AS tids, array_agg(c.n) AS numbers, array_agg(c.e) AS records INTO v_owned
    FROM unnest(v_of.records, v_of.numbers) AS c (e, n)
    CROSS JOIN LATERAL (
      SELECT r.ctid AS tid FROM app.workflow_runs r
      WHERE r.org_id = v_of.org AND r.id = (c.e ->> 'runId')::uuid
        AND r.lease_token = (c.e ->> 'leaseToken')::bigint AND r.status = 'running'
      FOR NO KEY UPDATE) AS o;
    IF v_owned.numbers IS NULL OR cardinality(v_owned.numbers) < cardinality(v_of.numbers) THEN
      FOR v IN
        SELECT c.n, (c.e ->> 'runId')::uuid AS run, (c.e ->> 'recordId')::uuid AS id,
          (c.e ->> 'release')::boolean OR c.e ->> 'status' <> 'running' AS released
        FROM unnest(v_of.records, v_of.numbers) AS c (e, n)
        WHERE v_owned.numbers IS NULL OR c.n <> ALL (v_owned.numbers)
      LOOP
        number := v.n;
        outcome := CASE WHEN v.released AND EXISTS (
          SELECT FROM app.workflow_runs r WHERE r.org_id = v_of.org AND r.id = v.run AND r.last_record_id = v.id)
          THEN 'recorded' ELSE 'fenced' END;
        RETURN NEXT;
      END LOOP;
      CONTINUE WHEN v_owned.numbers IS NULL;
    END IF;
    v_runs := '{}';
    v_steps := '{}';
    v_event_runs := '{}';
    v_events := '{}';
    v_entries := '{}';
    FOR v IN
      SELECT w.*, c.e, (c.e ->> 'workflowId')::uuid AS workflow, (c.e ->> 'runId')::uuid AS run, c.e ->> 'status' AS status
      FROM app.write_records(v_of.org, v_owned.tids, v_owned.numbers, v_owned.records) AS w
      JOIN unnest(v_owned.numbers, v_owned.records) AS c (n, e) ON c.n = w.number
      ORDER BY workflow, run
    LOOP
      number := v.number;
      outcome := CASE WHEN v.is_kept THEN 'unread' ELSE 'recorded' END;
      RETURN NEXT;
      CONTINUE WHEN v.is_echo;
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
        v_events := v_events || v.event;
        v_entries := v_entries || (v.e -> 'entries');
      END IF;
      IF v.sent > 0 AND (v.ended OR v.read > 0) THEN
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

-- Stores the runs of an organization with one statement too.
CREATE OR REPLACE FUNCTION app.accept_runs(p_runs jsonb, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000)
RETURNS TABLE (number integer, outcome text, version integer, run json, held_by text, queued_from uuid)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v record;
  v_enabled boolean;
  v_is_counted boolean;
  v_admissible integer;
  v_storable integer;
  v_queued_from uuid;
  v_versions integer[];
  v_helds text[];
  v_accepted jsonb[];
BEGIN
  FOR v_of IN
    SELECT c.org, array_agg(c.e ORDER BY c.key, c.n) AS runs, array_agg(c.n ORDER BY c.key, c.n) AS numbers,
      (min((c.e ->> 'runId') COLLATE "C"))::uuid AS least
    FROM (
      SELECT e.n::integer AS n, e.e, (e.e ->> 'orgId')::uuid AS org, e.e #>> '{answer,key}' AS key
      FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS e (e, n)) AS c
    GROUP BY c.org ORDER BY c.org
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_is_counted := false;
    v_versions := '{}';
    v_helds := '{}';
    v_accepted := '{}';
    FOR v IN
      SELECT c.n, c.e, (c.e ->> 'workflowId')::uuid AS workflow, (c.e ->> 'runId')::uuid AS run,
        (c.e ->> 'version')::integer AS version, c.e #>> '{answer,key}' AS key
      FROM unnest(v_of.runs, v_of.numbers) AS c (e, n)
    LOOP
      number := v.n;
      run := NULL;
      version := NULL;
      held_by := NULL;
      queued_from := NULL;
      SELECT w.version, w.is_enabled INTO version, v_enabled FROM app.workflows w
      WHERE w.org_id = v_of.org AND w.id = v.workflow;
      outcome := CASE
        WHEN version IS NULL THEN 'gone'
        WHEN version = 0 THEN 'unpublished'
        WHEN NOT v_enabled THEN 'disabled'
        WHEN version <> v.version THEN 'version'
        ELSE 'accepted' END;
      IF outcome = 'accepted' AND NOT v_is_counted THEN
        SELECT room.admissible, room.storable, least(room.queued_from, v_of.least)
        INTO v_admissible, v_storable, v_queued_from
        FROM app.queue_room(v_of.org, cardinality(v_of.numbers), p_window, p_most_queued, (v.e ->> 'queuedFrom')::uuid) AS room;
        v_is_counted := true;
      END IF;
      IF outcome = 'accepted' AND v_storable <= 0 THEN
        outcome := 'full';
      END IF;
      IF outcome = 'accepted' THEN
        run := json_build_object(
          'id', v.run, 'organizationId', v_of.org, 'workflowId', v.workflow, 'version', version,
          'triggerType', 'trigger.manual', 'status', 'queued', 'attemptCount', 0,
          'maxAttempts', (v.e ->> 'maxAttempts')::integer, 'nextAttemptAt', NULL, 'retryOfRunId', NULL, 'parentRunId', NULL,
          'requestedByUserId', v.e ->> 'userId', 'input', v.e -> 'input', 'output', NULL, 'error', NULL,
          'createdAt', to_char(now()::timestamptz(3) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'startedAt', NULL, 'finishedAt', NULL);
        IF v.key IS NOT NULL THEN
          DELETE FROM app.idempotency_keys k WHERE k.org_id = v_of.org AND k.key = v.key AND k.expires_at < now();
          INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, response, expires_at)
          VALUES (v_of.org, v.key, v.e #>> '{answer,scope}', decode(v.e #>> '{answer,requestHash}', 'hex'),
            jsonb_build_object('run', run::jsonb), now() + interval '24 hours')
          ON CONFLICT (org_id, key) DO NOTHING;
          outcome := CASE WHEN FOUND THEN 'accepted' ELSE 'taken' END;
        END IF;
      END IF;
      IF outcome = 'accepted' THEN
        queued_from := v_queued_from;
        held_by := CASE WHEN v_admissible <= 0 THEN 'organization' END;
        v_admissible := v_admissible - 1;
        v_storable := v_storable - 1;
        v_versions := v_versions || version;
        v_helds := v_helds || held_by;
        v_accepted := v_accepted || v.e;
      END IF;
      RETURN NEXT;
    END LOOP;
    IF cardinality(v_accepted) > 0 THEN
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        requested_by_user_id, held_by, next_sweep_at)
      SELECT v_of.org, (c.e ->> 'runId')::uuid, (c.e ->> 'workflowId')::uuid, c.version, 'trigger.manual', c.e -> 'input',
        (c.e ->> 'maxAttempts')::integer, (c.e ->> 'userId')::uuid, c.held_by,
        CASE WHEN c.held_by IS NULL THEN now() + interval '3 s' END
      FROM unnest(v_versions, v_helds, v_accepted) AS c (version, held_by, e);
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
