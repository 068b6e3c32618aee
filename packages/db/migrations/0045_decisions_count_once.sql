-- Whoever decides asks whether somebody has decided about the same step already and was not heard yet.
GRANT SELECT (step_key) ON app.workflow_run_signals TO app_api;

GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
-- As in 0025, under a lock of its own (7303026): it was that of sys.left_places, so that each kept the other from looking.
CREATE OR REPLACE FUNCTION sys.stuck_child_events(p_limit integer) RETURNS TABLE (org_id uuid, run_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT e.org_id, e.parent_run_id, e.parent_step_key, e.type FROM app.child_run_events e
    WHERE e.next_sweep_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303026))
    ORDER BY e.next_sweep_at
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  ), stamped AS (
    UPDATE app.child_run_events e SET next_sweep_at = now() + interval '5 s'
    FROM due WHERE e.org_id = due.org_id AND e.parent_run_id = due.parent_run_id
      AND e.parent_step_key = due.parent_step_key AND e.type = due.type
    RETURNING e.org_id, e.parent_run_id
  )
  SELECT DISTINCT s.org_id, s.parent_run_id FROM stamped s
$$;
-- Queued runs that a worker may take, and those that wait for their turn; each counted no further than p_most.
CREATE FUNCTION sys.count_queued_runs(p_most integer) RETURNS TABLE (admitted integer, held integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
  SELECT
    (SELECT count(*) FROM (
      SELECT FROM app.workflow_runs r WHERE r.is_active AND r.held_by IS NULL AND r.status = 'queued'
      ORDER BY r.org_id, r.held_by, r.id LIMIT p_most) AS admitted),
    (SELECT count(*) FROM (
      SELECT FROM app.workflow_runs r WHERE r.is_active AND r.held_by IS NOT NULL
      ORDER BY r.org_id, r.held_by, r.id LIMIT p_most) AS held)
$$;
REVOKE ALL ON FUNCTION sys.count_queued_runs(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sys.count_queued_runs(integer) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
