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
