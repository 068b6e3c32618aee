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
