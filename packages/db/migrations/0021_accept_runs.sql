-- Accepts runs that people ask for, many at once as in 0016: checks the workflow, stores the run and, for a request with an
-- Idempotency-Key, its answer. The caller says which version it has prepared (attempts, input schema); of another one nothing
-- is stored, and 'version' tells which it is. 'taken': somebody has that key. 'run' is the run as the API shows it.
CREATE FUNCTION app.accept_runs(p_runs jsonb) RETURNS TABLE (number integer, outcome text, version integer, run json)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_enabled boolean;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'version')::integer AS version, c.e #>> '{answer,key}' AS key
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n) ORDER BY 3, 7, 1
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    number := v.n;
    run := NULL;
    version := NULL;
    SELECT w.version, w.is_enabled INTO version, v_enabled FROM app.workflows w
    WHERE w.org_id = v.org AND w.id = v.workflow;
    outcome := CASE
      WHEN version IS NULL THEN 'gone'
      WHEN version = 0 THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN version <> v.version THEN 'version'
      ELSE 'accepted' END;
    IF outcome = 'accepted' THEN
      run := json_build_object(
        'id', v.run, 'organizationId', v.org, 'workflowId', v.workflow, 'version', version,
        'triggerType', 'trigger.manual', 'status', 'queued', 'attemptCount', 0,
        'maxAttempts', (v.e ->> 'maxAttempts')::integer, 'nextAttemptAt', NULL, 'retryOfRunId', NULL,
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
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        requested_by_user_id, next_sweep_at)
      VALUES (v.org, v.run, v.workflow, version, 'trigger.manual', v.e -> 'input', (v.e ->> 'maxAttempts')::integer,
        (v.e ->> 'userId')::uuid, now() + interval '3 s');
    END IF;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
GRANT EXECUTE ON FUNCTION app.accept_runs(jsonb) TO app_api;
