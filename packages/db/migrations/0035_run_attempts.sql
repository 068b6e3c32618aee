-- Attempts of a run's steps that its owner offers to all workers. The step's row says that the attempt runs, with its input, before it
-- is offered; a row here says who has it. The first row decides: whoever inserts it executes, and the owner inserts one without a
-- lease to take an offer back that nobody took. Rows go once the outcome is recorded; state, and what counts, stays with the owner.
CREATE TABLE app.workflow_run_attempts (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_key text NOT NULL CHECK (char_length(step_key) BETWEEN 1 AND 1000),
  attempt integer NOT NULL,
  -- Of the owner that offered it. A row of an earlier owner means nothing, and is taken over.
  lease_token bigint NOT NULL,
  -- Names one taking, so that a worker which was thought dead cannot go on with what another one has. Null: nobody ever had it.
  executor_id uuid,
  -- Null: the owner has taken it back, or whoever had it has given it up.
  lease_until timestamptz(3),
  outcome jsonb,
  -- The same as compressed JSON text, when it is large.
  outcome_blob bytea CHECK (octet_length(outcome_blob) <= 32 * 1024 * 1024),
  PRIMARY KEY (org_id, run_id, step_key, attempt),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_run_attempts ALTER COLUMN outcome_blob SET STORAGE EXTERNAL;
ALTER TABLE app.workflow_run_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_attempts FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, DELETE, UPDATE (lease_token, executor_id, lease_until, outcome, outcome_blob)
  ON app.workflow_run_attempts TO app_worker;

-- Takes an offered attempt: no row unless the owner that offered it still has the run, the step still runs this attempt, and nobody
-- else has it. It may be executed for `remaining_ms`: no longer than the owner's lease, after which another owner may begin it anew.
CREATE FUNCTION app.take_attempt(
  p_org uuid, p_run uuid, p_step text, p_attempt integer, p_token bigint, p_executor uuid, p_lease_ms integer)
RETURNS TABLE (workflow_id uuid, version integer, input jsonb, input_blob bytea, remaining_ms double precision)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_large boolean;
  v_until timestamptz;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  -- Held until the end: the owner cannot record the end of the step past this row.
  SELECT s.input, s.input_bytes IS NOT NULL INTO input, v_large FROM app.workflow_run_steps s
  WHERE s.org_id = p_org AND s.run_id = p_run AND s.step_key = p_step AND s.status = 'running' AND s.attempt = p_attempt
  FOR SHARE;
  IF FOUND THEN
    SELECT r.workflow_id, r.version, r.lease_until INTO workflow_id, version, v_until FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.id = p_run AND r.lease_token = p_token AND r.status = 'running' AND r.lease_until > now();
  END IF;
  IF FOUND THEN
    INSERT INTO app.workflow_run_attempts AS a (org_id, run_id, step_key, attempt, lease_token, executor_id, lease_until)
    VALUES (p_org, p_run, p_step, p_attempt, p_token, p_executor, now() + p_lease_ms * interval '1 ms')
    ON CONFLICT (org_id, run_id, step_key, attempt) DO UPDATE
    SET lease_token = EXCLUDED.lease_token, executor_id = EXCLUDED.executor_id, lease_until = EXCLUDED.lease_until,
      outcome = NULL, outcome_blob = NULL
    WHERE a.lease_token < EXCLUDED.lease_token;
  END IF;
  IF FOUND THEN
    IF v_large THEN
      SELECT b.data INTO input_blob FROM app.workflow_run_blobs b
      WHERE b.org_id = p_org AND b.run_id = p_run AND b.step_key = p_step AND b.field = 'input';
    END IF;
    remaining_ms := extract(epoch FROM least(v_until, now() + p_lease_ms * interval '1 ms') - now()) * 1000;
    RETURN NEXT;
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Keeps attempts that are under way, of any organizations; answers those that may go on, and for how long. A lease is written
-- again once a fifth of it is over, not with every call. In this order, so that calls never wait for each other in a circle.
CREATE FUNCTION app.keep_attempts(p_attempts jsonb) RETURNS TABLE (number integer, remaining_ms double precision)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_until timestamptz;
  v_owner_until timestamptz;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'runId')::uuid AS run, c.e ->> 'stepKey' AS step,
      (c.e ->> 'attempt')::integer AS attempt, (c.e ->> 'executorId')::uuid AS executor,
      (c.e ->> 'leaseMs')::integer * interval '1 ms' AS lease
    FROM jsonb_array_elements(p_attempts) WITH ORDINALITY AS c (e, n) ORDER BY 2, 3, 4, 5
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    SELECT a.lease_until, r.lease_until INTO v_until, v_owner_until
    FROM app.workflow_run_attempts a
    JOIN app.workflow_runs r ON r.org_id = a.org_id AND r.id = a.run_id AND r.lease_token = a.lease_token
    WHERE a.org_id = v.org AND a.run_id = v.run AND a.step_key = v.step AND a.attempt = v.attempt
      AND a.executor_id = v.executor AND a.lease_until IS NOT NULL AND r.status = 'running';
    CONTINUE WHEN NOT FOUND;
    IF v_until < now() + v.lease * 0.8 THEN
      UPDATE app.workflow_run_attempts a SET lease_until = now() + v.lease
      WHERE a.org_id = v.org AND a.run_id = v.run AND a.step_key = v.step AND a.attempt = v.attempt
        AND a.executor_id = v.executor AND a.lease_until IS NOT NULL
      RETURNING a.lease_until INTO v_until;
      CONTINUE WHEN NOT FOUND;
    END IF;
    number := v.n;
    remaining_ms := extract(epoch FROM least(v_until, v_owner_until) - now()) * 1000;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Stores how an attempt ended, once. Without an outcome the attempt is given up, which the owner takes for the loss of its worker.
-- False: it is nobody's business any more, or known already.
CREATE FUNCTION app.end_attempt(
  p_org uuid, p_run uuid, p_step text, p_attempt integer, p_executor uuid, p_outcome jsonb, p_blob bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_is_stored boolean;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.workflow_run_attempts a
  SET outcome = p_outcome, outcome_blob = p_blob,
    lease_until = CASE WHEN p_outcome IS NULL AND p_blob IS NULL THEN NULL ELSE a.lease_until END
  WHERE a.org_id = p_org AND a.run_id = p_run AND a.step_key = p_step AND a.attempt = p_attempt
    AND a.executor_id = p_executor AND a.lease_until IS NOT NULL AND a.outcome IS NULL AND a.outcome_blob IS NULL;
  v_is_stored := FOUND;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_is_stored;
END $$;

-- For the owner of a run: forgets the attempts that it is done with, takes back offers that nobody took, finds lost ones, and answers
-- what is left: 'ended', at most so many since their values may be large; 'taken'; 'lost': its worker's lease has run out, which is
-- final; 'withdrawn': taken back before anybody had it. May be called again when the answer was lost.
CREATE FUNCTION app.collect_attempts(
  p_org uuid, p_run uuid, p_token bigint, p_done jsonb, p_withdrawn jsonb, p_most_ended integer)
RETURNS TABLE (step_key text, attempt integer, status text, outcome jsonb, outcome_blob bytea)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  DELETE FROM app.workflow_run_attempts a
  USING jsonb_to_recordset(p_done) AS d ("stepKey" text, attempt integer)
  WHERE a.org_id = p_org AND a.run_id = p_run AND a.step_key = d."stepKey" AND a.attempt = d.attempt
    AND a.lease_token = p_token;
  INSERT INTO app.workflow_run_attempts AS a (org_id, run_id, step_key, attempt, lease_token)
  SELECT p_org, p_run, w."stepKey", w.attempt, p_token
  FROM jsonb_to_recordset(p_withdrawn) AS w ("stepKey" text, attempt integer)
  ORDER BY 3, 4
  ON CONFLICT (org_id, run_id, step_key, attempt) DO UPDATE
  SET lease_token = EXCLUDED.lease_token, executor_id = NULL, lease_until = NULL, outcome = NULL, outcome_blob = NULL
  WHERE a.lease_token < EXCLUDED.lease_token;
  UPDATE app.workflow_run_attempts a SET lease_until = NULL
  WHERE a.org_id = p_org AND a.run_id = p_run AND a.lease_token = p_token AND a.lease_until <= now()
    AND a.outcome IS NULL AND a.outcome_blob IS NULL;
  RETURN QUERY
    (SELECT a.step_key, a.attempt, 'ended', a.outcome, a.outcome_blob FROM app.workflow_run_attempts a
    WHERE a.org_id = p_org AND a.run_id = p_run AND a.lease_token = p_token
      AND (a.outcome IS NOT NULL OR a.outcome_blob IS NOT NULL)
    LIMIT p_most_ended)
    UNION ALL
    SELECT a.step_key, a.attempt,
      CASE WHEN a.lease_until IS NOT NULL THEN 'taken' WHEN a.executor_id IS NOT NULL THEN 'lost' ELSE 'withdrawn' END,
      NULL, NULL
    FROM app.workflow_run_attempts a
    WHERE a.org_id = p_org AND a.run_id = p_run AND a.lease_token = p_token AND a.outcome IS NULL AND a.outcome_blob IS NULL;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Forgets all attempts that this owner, or one before it, has offered: whoever is at one stops with the next heartbeat.
CREATE FUNCTION app.forget_attempts(p_org uuid, p_run uuid, p_token bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  DELETE FROM app.workflow_run_attempts a WHERE a.org_id = p_org AND a.run_id = p_run AND a.lease_token <= p_token;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.take_attempt(uuid, uuid, text, integer, bigint, uuid, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.keep_attempts(jsonb) TO app_worker;
GRANT EXECUTE ON FUNCTION app.end_attempt(uuid, uuid, text, integer, uuid, jsonb, bytea) TO app_worker;
GRANT EXECUTE ON FUNCTION app.collect_attempts(uuid, uuid, bigint, jsonb, jsonb, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.forget_attempts(uuid, uuid, bigint) TO app_worker;
