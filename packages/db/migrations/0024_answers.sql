-- What the senders of webhooks that wait are answered: the first `respond` of the run, or its end. By the second door, as in
-- 0019: one question for all that a program waits for. `number` is the place in p_runs; no row for a run that has answered
-- nothing yet, or is gone. `answer` null: it ended without a `respond`, and `output` is what it gave.
CREATE INDEX workflow_run_steps_respond ON app.workflow_run_steps (org_id, run_id) WHERE type = 'respond';

CREATE FUNCTION app.read_run_answers(p_runs jsonb)
RETURNS TABLE (number integer, status text, output jsonb, answer jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'runId')::uuid AS run
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n)
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    RETURN QUERY
      SELECT v.n, r.status, CASE WHEN s.output IS NULL AND r.status = 'succeeded' THEN r.output END, s.output
      FROM app.workflow_runs r
      LEFT JOIN LATERAL (
        SELECT x.output FROM app.workflow_run_steps x
        WHERE x.org_id = v.org AND x.run_id = v.run AND x.type = 'respond' AND x.status = 'succeeded'
        ORDER BY x.finished_at, x.ordinal LIMIT 1) s ON true
      WHERE r.org_id = v.org AND r.id = v.run
        AND (s.output IS NOT NULL OR r.status IN ('succeeded', 'failed', 'cancelled'));
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
GRANT EXECUTE ON FUNCTION app.read_run_answers(jsonb) TO app_api;

-- Calls to the addresses of steps that wait for one. A step has one row, and whoever writes it first decides: a caller, or,
-- with a null, the owner of the run once the time of the step is over.
CREATE TABLE app.workflow_run_calls (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_key text NOT NULL CHECK (char_length(step_key) BETWEEN 1 AND 1000),
  input jsonb,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, run_id, step_key),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_run_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_calls FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_run_calls TO app_api, app_worker;

-- Stores a call, and a signal that tells the run's owner to look for it. The step need not wait yet: whoever got the address
-- may be faster than the run. 'known': it was called before. 'over': the step or its run has ended, or its time is over.
-- Part of a transaction of the organization, like app.signal_run; the run's row is locked before anything else of the run.
CREATE FUNCTION app.call_step(p_org uuid, p_run uuid, p_step text, p_input jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_is_open boolean;
BEGIN
  SELECT r.status IN ('queued', 'running', 'waiting') INTO v_is_open FROM app.workflow_runs r
  WHERE r.org_id = p_org AND r.id = p_run FOR NO KEY UPDATE;
  IF v_is_open AND NOT EXISTS (
    SELECT FROM app.workflow_run_steps s
    WHERE s.org_id = p_org AND s.run_id = p_run AND s.step_key = p_step
      AND s.status IN ('succeeded', 'failed', 'skipped', 'cancelled')
  ) THEN
    INSERT INTO app.workflow_run_calls (org_id, run_id, step_key, input) VALUES (p_org, p_run, p_step, p_input)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
      PERFORM app.signal_run(p_org, p_run, 'resume', p_step, NULL);
      RETURN 'accepted';
    END IF;
  END IF;
  RETURN coalesce((
    SELECT CASE WHEN c.input IS NULL THEN 'over' ELSE 'known' END FROM app.workflow_run_calls c
    WHERE c.org_id = p_org AND c.run_id = p_run AND c.step_key = p_step), 'over');
END $$;

-- What was sent to these steps, of those that were called.
CREATE FUNCTION app.read_calls(p_org uuid, p_run uuid, p_steps text[]) RETURNS TABLE (step_key text, input jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT c.step_key, c.input FROM app.workflow_run_calls c
    WHERE c.org_id = p_org AND c.run_id = p_run AND c.step_key = ANY (p_steps) AND c.input IS NOT NULL;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- The same, once their time is over: from now on nobody can call those that were not. A call that is being stored at this
-- moment is waited for, and counts.
CREATE FUNCTION app.end_calls(p_org uuid, p_run uuid, p_steps text[]) RETURNS TABLE (step_key text, input jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  INSERT INTO app.workflow_run_calls (org_id, run_id, step_key)
  SELECT p_org, p_run, s.step FROM unnest(p_steps) AS s (step) ORDER BY s.step
  ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT c.step_key, c.input FROM app.read_calls(p_org, p_run, p_steps) c;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.call_step(uuid, uuid, text, jsonb) TO app_api;
GRANT EXECUTE ON FUNCTION app.read_calls(uuid, uuid, text[]) TO app_worker;
GRANT EXECUTE ON FUNCTION app.end_calls(uuid, uuid, text[]) TO app_worker;
