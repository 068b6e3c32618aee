-- Values of more than 64 kB of JSON text leave the rows that a run's work reads and rewrites: the row keeps the size, the text
-- is here, compressed by the worker (zstd) and written in the transaction of its row (R1). A run's own output stands under
-- the empty step key. A run's input stays in its row: it is at most what a request may hold, and never written again.
CREATE TABLE app.workflow_run_blobs (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_key text NOT NULL CHECK (char_length(step_key) <= 1000),
  field text NOT NULL CHECK (field IN ('input', 'output')),
  -- Of the text, before it is compressed; what is larger is refused long before.
  size_bytes integer NOT NULL CHECK (size_bytes BETWEEN 1 AND 32 * 1024 * 1024),
  data bytea NOT NULL CHECK (octet_length(data) <= 32 * 1024 * 1024),
  PRIMARY KEY (org_id, run_id, step_key, field),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_run_blobs ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE app.workflow_run_blobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_blobs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_blobs FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_run_blobs TO app_api;
GRANT SELECT, INSERT, UPDATE (size_bytes, data) ON app.workflow_run_blobs TO app_worker;

ALTER TABLE app.workflow_run_steps
  ADD COLUMN input_bytes integer,
  ADD COLUMN output_bytes integer,
  ADD CONSTRAINT workflow_run_steps_input_place CHECK (input IS NULL OR input_bytes IS NULL),
  ADD CONSTRAINT workflow_run_steps_output_place CHECK (output IS NULL OR output_bytes IS NULL);
ALTER TABLE app.workflow_runs
  ADD COLUMN output_bytes integer,
  -- Of its owner: what comes again because its answer was lost.
  ADD COLUMN last_record_id uuid,
  ADD CONSTRAINT workflow_runs_output_place CHECK (output IS NULL OR output_bytes IS NULL);
GRANT UPDATE (output_bytes, last_record_id) ON app.workflow_runs TO app_worker;

-- What stands in an answer for a large value; null for one that is not large.
CREATE FUNCTION app.mark_large(p_bytes integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN p_bytes IS NOT NULL THEN jsonb_build_object('$large', jsonb_build_object('sizeBytes', p_bytes)) END
$$;

-- The value, or its mark. Costs the reading of it: not to be asked for one that is stored small and as it is.
CREATE FUNCTION app.show_value(p_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN octet_length(p_value::text) > 65536 THEN app.mark_large(octet_length(p_value::text)) ELSE p_value END
$$;

-- Writes one transition of each of these runs (R1). 'fenced', and nothing written of it, unless the caller still holds that
-- run's lease. 'unread': all is written, but a run that was to be given up has unread signals and stays with the caller,
-- running. A key that is absent is SQL null, a key that is null is JSON null; an absent state keeps the stored one. A step
-- that has ended is left as it is (R2). A lease lost again and again without any progress must stay countable, so a step
-- that merely started does not reset the count: the step may be what kills the worker. A run that fails is counted for a
-- notice, if its organization wants any; only the beginning of the message is kept, it may quote a value.
-- A record that is sent once more, because its answer was lost, is known by its id: it changes nothing twice, and one that
-- gave the run up hears that it did. Signals are read in their order, so the highest number tells them all. Whatever a run
-- had still to hear goes with its end. Large values come compressed and go into blobs; a step that has ended keeps its own.
-- In this order, which is that of heartbeat_runs, so that calls wait for each other's rows and notices but never in a circle.
CREATE OR REPLACE FUNCTION app.record_runs(p_records jsonb) RETURNS TABLE (number integer, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_kept boolean;
  v_echo boolean;
  v_event integer;
  v_sent integer;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'recordId')::uuid AS id, c.e ->> 'status' AS status, (c.e ->> 'nextAttemptAt')::timestamptz AS next,
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
    WHERE r.org_id = v.org AND r.id = v.run AND r.lease_token = (v.e ->> 'leaseToken')::bigint AND r.status = 'running'
    RETURNING v.released AND NOT v.ended AND r.lease_until IS NOT NULL, r.event_count, r.signals_sent,
      coalesce(old.last_record_id = v.id, false)
      INTO v_kept, v_event, v_sent, v_echo;
    number := v.n;
    IF NOT FOUND THEN
      v_echo := v.released AND EXISTS (
        SELECT FROM app.workflow_runs r WHERE r.org_id = v.org AND r.id = v.run AND r.last_record_id = v.id);
      outcome := CASE WHEN v_echo THEN 'recorded' ELSE 'fenced' END;
      RETURN NEXT;
      CONTINUE;
    END IF;
    outcome := CASE WHEN v_kept THEN 'unread' ELSE 'recorded' END;
    RETURN NEXT;
    CONTINUE WHEN v_echo;
    IF v.e ? 'blobs' THEN
      INSERT INTO app.workflow_run_blobs AS b (org_id, run_id, step_key, field, size_bytes, data)
      SELECT v.org, v.run, e ->> 'stepKey', e ->> 'field', (e ->> 'sizeBytes')::integer, decode(e ->> 'data', 'base64')
      FROM jsonb_array_elements(v.e -> 'blobs') AS blob (e)
      WHERE NOT EXISTS (
        SELECT FROM app.workflow_run_steps s
        WHERE s.org_id = v.org AND s.run_id = v.run AND s.step_key = e ->> 'stepKey'
          AND s.status IN ('succeeded', 'failed', 'skipped', 'cancelled'))
      ON CONFLICT (org_id, run_id, step_key, field) DO UPDATE
      SET size_bytes = EXCLUDED.size_bytes, data = EXCLUDED.data;
    END IF;
    IF v.e ? 'steps' THEN
      INSERT INTO app.workflow_run_steps AS s
        (org_id, run_id, step_key, type, status, attempt, input, input_bytes, output, output_bytes, error, started_at,
          finished_at, ordinal)
      SELECT v.org, v.run, e ->> 'stepKey', e ->> 'type', e ->> 'status', (e ->> 'attempt')::integer,
        e -> 'input', (e ->> 'inputBytes')::integer, e -> 'output', (e ->> 'outputBytes')::integer,
        nullif(e -> 'error', 'null'),
        coalesce((e ->> 'startedAt')::timestamptz,
          CASE WHEN e ->> 'status' NOT IN ('pending', 'skipped') THEN now() END),
        coalesce((e ->> 'finishedAt')::timestamptz,
          CASE WHEN e ->> 'status' IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN now() END),
        n
      FROM jsonb_array_elements(v.e -> 'steps') WITH ORDINALITY AS step (e, n)
      ON CONFLICT (org_id, run_id, step_key) DO UPDATE
      SET type = EXCLUDED.type, status = EXCLUDED.status, attempt = EXCLUDED.attempt,
        input = CASE WHEN EXCLUDED.input_bytes IS NULL THEN coalesce(EXCLUDED.input, s.input) END,
        input_bytes = CASE WHEN EXCLUDED.input IS NULL THEN coalesce(EXCLUDED.input_bytes, s.input_bytes) END,
        output = EXCLUDED.output, output_bytes = EXCLUDED.output_bytes, error = EXCLUDED.error,
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

DROP FUNCTION app.load_steps(uuid, uuid, text[]);
-- As in 0005; a value that is in a blob comes as it lies there.
CREATE FUNCTION app.load_steps(p_org uuid, p_run uuid, p_keys text[])
RETURNS TABLE (step_key text, type text, status text, attempt integer, input jsonb, input_blob bytea, output jsonb,
  output_blob bytea, error jsonb, started_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT s.step_key, s.type, s.status, s.attempt, s.input,
      CASE WHEN s.input_bytes IS NOT NULL THEN (
        SELECT b.data FROM app.workflow_run_blobs b
        WHERE b.org_id = p_org AND b.run_id = p_run AND b.step_key = s.step_key AND b.field = 'input') END,
      s.output,
      CASE WHEN s.output_bytes IS NOT NULL THEN (
        SELECT b.data FROM app.workflow_run_blobs b
        WHERE b.org_id = p_org AND b.run_id = p_run AND b.step_key = s.step_key AND b.field = 'output') END,
      s.error, s.started_at::timestamptz, s.finished_at::timestamptz
    FROM app.workflow_run_steps s
    WHERE s.org_id = p_org AND s.run_id = p_run AND (p_keys IS NULL OR s.step_key = ANY (p_keys))
    ORDER BY s.started_at NULLS LAST, s.ordinal, s.step_key;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- The steps of a run that have not ended, without their values.
CREATE FUNCTION app.load_open_steps(p_org uuid, p_run uuid) RETURNS TABLE (step_key text, type text, attempt integer)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT s.step_key, s.type, s.attempt FROM app.workflow_run_steps s
    WHERE s.org_id = p_org AND s.run_id = p_run AND s.finished_at IS NULL;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- As in 0016; a large value is shown as its mark.
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
        'input', CASE WHEN pg_column_size(r.input) > 65536 OR pg_column_compression(r.input) IS NOT NULL
          THEN app.show_value(r.input) ELSE r.input END,
        'output', CASE WHEN r.output_bytes IS NULL THEN r.output ELSE app.mark_large(r.output_bytes) END, 'error', r.error,
        'createdAt', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'startedAt', to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'finishedAt', to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
      'steps', coalesce((
        SELECT json_agg(json_build_object(
            'stepId', s.step_key, 'type', s.type, 'status', s.status, 'attempt', s.attempt,
            'input', CASE WHEN s.input_bytes IS NULL THEN s.input ELSE app.mark_large(s.input_bytes) END,
            'output', CASE WHEN s.output_bytes IS NULL THEN s.output ELSE app.mark_large(s.output_bytes) END, 'error', s.error, 'startedAt', to_char(s.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'finishedAt', to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY s.started_at, s.ordinal)
        FROM app.workflow_run_steps s WHERE s.org_id = p_org AND s.run_id = p_run AND s.type <> 'iteration'), '[]'))
    INTO v_found
    FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_run AND r.workflow_id = p_workflow;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_found;
END $$;

GRANT EXECUTE ON FUNCTION app.mark_large(integer) TO app_api;
GRANT EXECUTE ON FUNCTION app.show_value(jsonb) TO app_api;
GRANT EXECUTE ON FUNCTION app.load_steps(uuid, uuid, text[]) TO app_worker;
GRANT EXECUTE ON FUNCTION app.load_open_steps(uuid, uuid) TO app_worker;
