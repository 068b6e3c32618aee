-- The hot path: one call per change of a run. Each function names its organization for this transaction, does its work
-- under the caller's own grants and policies, and clears the name at the end, so nothing can ride on it afterwards.
-- One row when claimed or when somebody else's business (busy, notDue), none when there is nothing left to do.
-- A running run without a lease was handed back and is free; one whose lease ran out was lost by its owner.
CREATE FUNCTION app.claim_run(p_org uuid, p_run uuid, p_lease_ms integer)
RETURNS TABLE (
  outcome text, now_ms double precision, workflow_id uuid, version integer, definition jsonb, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    WITH claimed AS (
      UPDATE app.workflow_runs r
      SET status = 'running', lease_token = r.lease_token + 1, lease_until = now() + p_lease_ms * interval '1 ms',
        started_at = coalesce(r.started_at, now()), next_attempt_at = NULL,
        lost_claims = r.lost_claims + (r.status = 'running' AND r.lease_until IS NOT NULL)::integer
      WHERE r.org_id = p_org AND r.id = p_run
        AND ((r.status = 'queued' AND coalesce(r.next_attempt_at, now()) <= now())
          OR (r.status = 'waiting' AND r.next_attempt_at <= now())
          OR (r.status = 'running' AND r.lease_until < now())
          OR (r.status = 'running' AND r.lease_until IS NULL AND coalesce(r.next_attempt_at, now()) <= now()))
      RETURNING r.*)
    SELECT 'claimed', extract(epoch FROM now())::double precision * 1000, c.workflow_id, c.version, v.definition,
      c.state, c.input, c.trigger_type, c.lease_token, c.lost_claims, c.attempt_count, c.max_attempts,
      c.next_attempt_at, c.created_at, c.started_at
    FROM claimed c
    JOIN app.workflow_versions v ON v.org_id = p_org AND v.workflow_id = c.workflow_id AND v.version = c.version;
  IF NOT FOUND THEN
    RETURN QUERY
      SELECT CASE r.status WHEN 'running' THEN 'busy' ELSE 'notDue' END,
        extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version, NULL::jsonb, NULL::jsonb,
        NULL::jsonb, r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
        r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz
      FROM app.workflow_runs r
      WHERE r.org_id = p_org AND r.id = p_run AND r.status IN ('queued', 'running', 'waiting');
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

CREATE FUNCTION app.load_steps(p_org uuid, p_run uuid, p_keys text[])
RETURNS TABLE (step_key text, type text, status text, attempt integer, input jsonb, output jsonb, error jsonb,
  started_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT s.step_key, s.type, s.status, s.attempt, s.input, s.output, s.error,
      s.started_at::timestamptz, s.finished_at::timestamptz
    FROM app.workflow_run_steps s
    WHERE s.org_id = p_org AND s.run_id = p_run AND (p_keys IS NULL OR s.step_key = ANY (p_keys))
    ORDER BY s.started_at NULLS LAST, s.ordinal, s.step_key;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- False, and nothing written, unless the caller still holds the lease (R1). p_state null keeps the stored state.
-- Steps is a JSON array; a key that is absent is SQL null, a key that is null is JSON null. A step that has ended is
-- left as it is (R2). A lease lost again and again without any progress must stay countable, so a step that merely
-- started does not reset the count: the step may be what kills the worker.
CREATE FUNCTION app.record_run(
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
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_recorded;
END $$;

CREATE FUNCTION app.heartbeat_run(p_org uuid, p_run uuid, p_token bigint, p_lease_ms integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_found boolean;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.workflow_runs SET lease_until = now() + p_lease_ms * interval '1 ms'
  WHERE org_id = p_org AND id = p_run AND lease_token = p_token AND status = 'running'
    AND lease_until IS NOT NULL; -- handed back meanwhile: a late heartbeat must not take it again
  v_found := FOUND;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_found;
END $$;

GRANT EXECUTE ON FUNCTION app.claim_run(uuid, uuid, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.load_steps(uuid, uuid, text[]) TO app_worker;
GRANT EXECUTE ON FUNCTION app.record_run(uuid, uuid, bigint, integer, text, jsonb, timestamptz, integer, jsonb, jsonb,
  jsonb, boolean) TO app_worker;
GRANT EXECUTE ON FUNCTION app.heartbeat_run(uuid, uuid, bigint, integer) TO app_worker;
