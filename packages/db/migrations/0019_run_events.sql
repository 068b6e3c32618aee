-- Showing runs while they go on. By the second door, like 0016: each function names the organization of the row it is at,
-- reads under the caller's own grants and policies, and clears the name at the end.

-- How far each of these runs is: one question for all that a program shows to anybody. `number` is the place in p_runs; no row
-- for a run that is gone.
CREATE FUNCTION app.watch_runs(p_runs jsonb)
RETURNS TABLE (number integer, event_count integer, has_ended boolean)
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
      SELECT v.n, r.event_count, r.status IN ('succeeded', 'failed', 'cancelled')
      FROM app.workflow_runs r WHERE r.org_id = v.org AND r.id = v.run;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- The timeline of a run from a record on, in portions.
CREATE FUNCTION app.read_run_events(p_org uuid, p_run uuid, p_from integer, p_limit integer)
RETURNS TABLE (number integer, at timestamptz, entries jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    SELECT e.number, e.at::timestamptz, e.entries FROM app.workflow_run_events e
    WHERE e.org_id = p_org AND e.run_id = p_run AND e.number >= p_from ORDER BY e.number LIMIT p_limit;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.watch_runs(jsonb) TO app_api;
GRANT EXECUTE ON FUNCTION app.read_run_events(uuid, uuid, integer, integer) TO app_api;
