-- The read that clients repeat most, a run with its steps, in one round trip. As the functions of a run's changes do, both
-- name the organization for their own statements, read under the caller's grants and policies, and clear the name.
-- The run as the API shows it, null when there is none; the names are those of the contract.
CREATE FUNCTION app.read_run(p_org uuid, p_workflow uuid, p_run uuid) RETURNS json
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
        FROM app.workflow_run_steps s WHERE s.org_id = p_org AND s.run_id = p_run), '[]'))
    INTO v_found
    FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_run AND r.workflow_id = p_workflow;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_found;
END $$;

CREATE FUNCTION app.authorize_and_read_run(p_session uuid, p_user uuid, p_org uuid, p_workflow uuid, p_run uuid,
  OUT is_session_active boolean, OUT role_key text, OUT document json)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  SELECT a.is_session_active, a.role_key INTO is_session_active, role_key FROM sys.authorize(p_session, p_user, p_org) a;
  IF is_session_active AND role_key IS NOT NULL THEN
    document := app.read_run(p_org, p_workflow, p_run);
  END IF;
END $$;

GRANT EXECUTE ON FUNCTION app.read_run(uuid, uuid, uuid) TO app_api;
GRANT EXECUTE ON FUNCTION app.authorize_and_read_run(uuid, uuid, uuid, uuid, uuid) TO app_api;
