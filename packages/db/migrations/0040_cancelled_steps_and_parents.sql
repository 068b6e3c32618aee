-- As in 0016. What the engine would cancel gets its row here too: the steps of open iterations and of onFailure, not only those
-- of the document itself.
CREATE OR REPLACE FUNCTION app.cancel_run(p_org uuid, p_run uuid, p_entry jsonb) RETURNS text
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
    -- A frame is one walk through a graph: of the document, of an open iteration, of onFailure. Its steps are null before a
    -- worker began the run.
    WITH RECURSIVE frames (prefix, place, nodes, steps) AS (
      SELECT own.prefix, own.place, own.nodes, own.steps
      FROM app.workflow_versions w, LATERAL (VALUES
        ('', ARRAY[0], w.definition -> 'nodes', v_run.state -> 'steps'),
        ('onFailure.', ARRAY[1], CASE WHEN v_run.state ? 'onFailure' THEN w.definition #> '{settings,onFailure,nodes}' END,
          v_run.state #> '{onFailure,steps}')
      ) AS own (prefix, place, nodes, steps)
      WHERE w.org_id = p_org AND w.workflow_id = v_run.workflow_id AND w.version = v_run.version
      UNION ALL
      SELECT f.prefix || (node.e ->> 'id') || '.' || iteration.key || '.', f.place || node.n::integer || iteration.key::integer,
        node.e #> '{config,body,nodes}', iteration.value -> 'steps'
      FROM frames f, jsonb_array_elements(f.nodes) WITH ORDINALITY AS node (e, n),
        jsonb_each(f.steps -> (node.e ->> 'id') #> '{loop,frames}') AS iteration
    )
    INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, finished_at, ordinal)
    SELECT p_org, p_run, f.prefix || (node.e ->> 'id'), node.e ->> 'type', 'cancelled', now(),
      row_number() OVER (ORDER BY f.place || node.n::integer)
    FROM frames f, jsonb_array_elements(f.nodes) WITH ORDINALITY AS node (e, n)
    WHERE coalesce(f.steps -> (node.e ->> 'id') ->> 'status', 'pending') IN ('pending', 'running', 'waiting')
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

-- As in 0030, with the run whose step started this one.
CREATE OR REPLACE FUNCTION app.read_run(p_org uuid, p_workflow uuid, p_run uuid) RETURNS json
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_found json;
  v_limit integer := 2147483647;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  PERFORM FROM app.workflow_run_steps s WHERE s.org_id = p_org AND s.run_id = p_run OFFSET 50 LIMIT 1;
  IF FOUND THEN
    SELECT 4000000 / count(*) INTO v_limit FROM app.workflow_run_steps s
    WHERE s.org_id = p_org AND s.run_id = p_run AND s.type <> 'iteration' HAVING count(*) > 0;
  END IF;
  SELECT json_build_object(
      'run', json_build_object(
        'id', r.id, 'organizationId', r.org_id, 'workflowId', r.workflow_id, 'version', r.version,
        'triggerType', r.trigger_type, 'status', r.status, 'attemptCount', r.attempt_count,
        'maxAttempts', r.max_attempts, 'nextAttemptAt', to_char(r.next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'retryOfRunId', r.retry_of_run_id, 'parentRunId', r.parent_run_id,
        'requestedByUserId', r.requested_by_user_id,
        'input', CASE WHEN pg_column_size(r.input) > 65536 OR pg_column_compression(r.input) IS NOT NULL
          THEN app.show_value(r.input) ELSE r.input END,
        'output', CASE WHEN r.output_bytes IS NULL THEN r.output ELSE app.mark_large(r.output_bytes) END, 'error', r.error,
        'createdAt', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'startedAt', to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'finishedAt', to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
      'steps', coalesce((
        SELECT json_agg(json_build_object(
            'stepId', s.step_key, 'type', s.type, 'status', s.status, 'attempt', s.attempt,
            'input', CASE WHEN s.input_bytes IS NULL AND coalesce(pg_column_size(s.input), 0) <= v_limit THEN s.input
              ELSE app.mark_large(coalesce(s.input_bytes, pg_column_size(s.input))) END,
            'output', CASE WHEN s.output_bytes IS NULL AND coalesce(pg_column_size(s.output), 0) <= v_limit THEN s.output
              ELSE app.mark_large(coalesce(s.output_bytes, pg_column_size(s.output))) END, 'error', s.error, 'startedAt', to_char(s.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'finishedAt', to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY s.started_at, s.ordinal)
        FROM app.workflow_run_steps s WHERE s.org_id = p_org AND s.run_id = p_run AND s.type <> 'iteration'), '[]'))
    INTO v_found
    FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_run AND r.workflow_id = p_workflow;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_found;
END $$;

-- As in 0022, with the same member: a run that somebody asked for has no parent.
CREATE OR REPLACE FUNCTION app.accept_runs(p_runs jsonb, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000)
RETURNS TABLE (number integer, outcome text, version integer, run json, held_by text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_enabled boolean;
  v_org uuid;
  v_admissible integer;
  v_storable integer;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'version')::integer AS version, c.e #>> '{answer,key}' AS key,
      (count(*) OVER (PARTITION BY c.e ->> 'orgId'))::integer AS count
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n) ORDER BY 3, 7, 1
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    number := v.n;
    run := NULL;
    version := NULL;
    held_by := NULL;
    SELECT w.version, w.is_enabled INTO version, v_enabled FROM app.workflows w
    WHERE w.org_id = v.org AND w.id = v.workflow;
    outcome := CASE
      WHEN version IS NULL THEN 'gone'
      WHEN version = 0 THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN version <> v.version THEN 'version'
      ELSE 'accepted' END;
    IF outcome = 'accepted' AND v_org IS DISTINCT FROM v.org THEN
      SELECT room.admissible, room.storable INTO v_admissible, v_storable
      FROM app.queue_room(v.org, v.count, p_window, p_most_queued) AS room;
      v_org := v.org;
    END IF;
    IF outcome = 'accepted' AND v_storable <= 0 THEN
      outcome := 'full';
    END IF;
    IF outcome = 'accepted' THEN
      run := json_build_object(
        'id', v.run, 'organizationId', v.org, 'workflowId', v.workflow, 'version', version,
        'triggerType', 'trigger.manual', 'status', 'queued', 'attemptCount', 0,
        'maxAttempts', (v.e ->> 'maxAttempts')::integer, 'nextAttemptAt', NULL, 'retryOfRunId', NULL, 'parentRunId', NULL,
        'requestedByUserId', v.e ->> 'userId', 'input', v.e -> 'input', 'output', NULL, 'error', NULL,
        'createdAt', to_char(now()::timestamptz(3) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'startedAt', NULL, 'finishedAt', NULL);
      IF v.key IS NOT NULL THEN
        DELETE FROM app.idempotency_keys k WHERE k.org_id = v.org AND k.key = v.key AND k.expires_at < now();
        INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, response, expires_at)
        VALUES (v.org, v.key, v.e #>> '{answer,scope}', decode(v.e #>> '{answer,requestHash}', 'hex'),
          jsonb_build_object('run', run::jsonb), now() + interval '24 hours')
        ON CONFLICT (org_id, key) DO NOTHING;
        outcome := CASE WHEN FOUND THEN 'accepted' ELSE 'taken' END;
      END IF;
    END IF;
    IF outcome = 'accepted' THEN
      held_by := CASE WHEN v_admissible <= 0 THEN 'organization' END;
      v_admissible := v_admissible - 1;
      v_storable := v_storable - 1;
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        requested_by_user_id, held_by, next_sweep_at)
      VALUES (v.org, v.run, v.workflow, version, 'trigger.manual', v.e -> 'input', (v.e ->> 'maxAttempts')::integer,
        (v.e ->> 'userId')::uuid, held_by, CASE WHEN held_by IS NULL THEN now() + interval '3 s' END);
    END IF;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Answers that were kept before are sent again as they are, and a run without the member is none.
ALTER TABLE app.idempotency_keys NO FORCE ROW LEVEL SECURITY;
UPDATE app.idempotency_keys SET response = jsonb_set(response, '{run,parentRunId}', 'null')
WHERE response ? 'run' AND NOT response -> 'run' ? 'parentRunId';
ALTER TABLE app.idempotency_keys FORCE ROW LEVEL SECURITY;
