-- The output of this run as it lies in its blob; null for one that is not large. Part of a transaction of its organization.
CREATE FUNCTION app.read_output_blob(p_org uuid, p_run uuid, p_bytes integer) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT b.data FROM app.workflow_run_blobs b
  WHERE p_bytes IS NOT NULL AND b.org_id = p_org AND b.run_id = p_run AND b.step_key = '' AND b.field = 'output'
$$;

-- As in 0025, and now the run of a step is admitted or held as every other one (0022); the queue's limit does not count here, the
-- parent was accepted. A large output (0026) comes as it lies in its blob.
DROP FUNCTION app.start_child_run(uuid, uuid, text, jsonb);
CREATE FUNCTION app.start_child_run(p_org uuid, p_parent uuid, p_step text, p_child jsonb, p_window integer)
RETURNS TABLE (outcome text, version integer, run_id uuid, status text, output jsonb, output_blob bytea, error jsonb,
  is_held boolean)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_workflow constant uuid := (p_child ->> 'workflowId')::uuid;
  v_pinned constant integer := (p_child ->> 'pinnedVersion')::integer;
  v_published integer;
  v_enabled boolean;
  v_depth integer;
  v_is_held boolean;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  -- Held until the end: the step cannot be cancelled past this run.
  PERFORM FROM app.workflow_run_steps s
  WHERE s.org_id = p_org AND s.run_id = p_parent AND s.step_key = p_step AND s.status = 'running' FOR SHARE;
  outcome := CASE WHEN NOT FOUND THEN 'fenced' END;
  IF outcome IS NULL AND NOT EXISTS (
    SELECT FROM app.workflow_runs c
    WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = p_step
  ) THEN
    SELECT w.version, w.is_enabled INTO v_published, v_enabled FROM app.workflows w
    WHERE w.org_id = p_org AND w.id = v_workflow;
    SELECT r.depth INTO v_depth FROM app.workflow_runs r WHERE r.org_id = p_org AND r.id = p_parent;
    version := coalesce(v_pinned, v_published);
    outcome := CASE
      WHEN v_published IS NULL THEN 'gone'
      WHEN v_published = 0 OR version > v_published THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN v_depth >= (p_child ->> 'maxDepth')::integer THEN 'tooDeep'
      WHEN version <> (p_child ->> 'version')::integer THEN 'version' END;
    IF outcome IS NULL THEN
      SELECT room.admissible <= 0 INTO v_is_held FROM app.queue_room(p_org, 1, p_window, 2147483647) AS room;
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        parent_run_id, parent_step_key, is_awaited, depth, held_by, next_sweep_at)
      VALUES (p_org, (p_child ->> 'runId')::uuid, v_workflow, version, 'trigger.subworkflow', p_child -> 'input',
        (p_child ->> 'maxAttempts')::integer, p_parent, p_step, (p_child ->> 'isAwaited')::boolean, v_depth + 1,
        CASE WHEN v_is_held THEN 'organization' END, CASE WHEN NOT v_is_held THEN now() + interval '3 s' END)
      ON CONFLICT (org_id, parent_run_id, parent_step_key) WHERE parent_run_id IS NOT NULL DO NOTHING;
      outcome := CASE WHEN FOUND THEN 'started' END;
    END IF;
  END IF;
  IF outcome IS NULL OR outcome = 'started' THEN
    SELECT coalesce(outcome, 'known'), c.version, c.id, c.status, c.output, app.read_output_blob(c.org_id, c.id, c.output_bytes), c.error,
      c.held_by IS NOT NULL
    INTO outcome, version, run_id, status, output, output_blob, error, is_held
    FROM app.workflow_runs c WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = p_step;
  END IF;
  RETURN NEXT;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- What became of the runs that these steps have started; no row for one that is gone.
DROP FUNCTION app.read_child_runs(uuid, uuid, text[]);
CREATE FUNCTION app.read_child_runs(p_org uuid, p_parent uuid, p_steps text[])
RETURNS TABLE (step_key text, run_id uuid, status text, output jsonb, output_blob bytea, error jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT c.parent_step_key, c.id, c.status, c.output, app.read_output_blob(c.org_id, c.id, c.output_bytes), c.error FROM app.workflow_runs c
    WHERE c.org_id = p_org AND c.parent_run_id = p_parent AND c.parent_step_key = ANY (p_steps);
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.read_output_blob(uuid, uuid, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.start_child_run(uuid, uuid, text, jsonb, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.read_child_runs(uuid, uuid, text[]) TO app_worker;
