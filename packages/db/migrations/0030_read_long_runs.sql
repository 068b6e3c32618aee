-- As in 0026. In a run of more than 50 steps each value may have its share of about 4 MB; a larger one is marked as large ones
-- are, with the size in which it is stored. Runs with fewer steps, which clients read most, pay for one look into an index.
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
        'retryOfRunId', r.retry_of_run_id, 'requestedByUserId', r.requested_by_user_id,
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
