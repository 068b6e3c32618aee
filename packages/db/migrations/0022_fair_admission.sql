-- Fair shares between organizations (docs/adr/0016-fair-admission.md). A queued run is admitted, which is when a worker is woken
-- for it, or held: then the row says by what, and nobody is woken. Of each organization only so many runs are admitted and
-- not claimed yet, its window, so that however many it has queued, another one waits behind so few. Nothing is counted in
-- advance: room is what the rows say at the moment, so no crash can leave a count behind.
ALTER TABLE app.workflow_runs
  ADD COLUMN held_by text CHECK (held_by IN ('organization', 'concurrency')),
  -- Of a run that takes one of the places of its workflow and key, or waits for one; see 0023.
  ADD COLUMN concurrency_key text CHECK (char_length(concurrency_key) <= 200),
  ADD COLUMN concurrency_limit integer CHECK (concurrency_limit >= 1);
CREATE INDEX workflow_runs_queued ON app.workflow_runs (org_id, held_by, id)
  WHERE status = 'queued' AND next_attempt_at IS NULL;
CREATE INDEX workflow_runs_running ON app.workflow_runs (org_id) WHERE status = 'running';
GRANT UPDATE (held_by) ON app.workflow_runs TO app_worker, app_api;

-- What an operator gives an organization beside the defaults; programs only read it.
CREATE TABLE app.org_run_limits (
  org_id uuid PRIMARY KEY REFERENCES app.organizations (id) ON DELETE CASCADE,
  weight integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
  max_concurrent_runs integer CHECK (max_concurrent_runs >= 1),
  max_queued_runs integer CHECK (max_queued_runs >= 1)
);
ALTER TABLE app.org_run_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.org_run_limits FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.org_run_limits FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT ON app.org_run_limits TO app_api, app_worker;

-- The functions below that do not name an organization themselves are part of a transaction that has.

-- Whoever holds a run back and whoever makes room meet on this lock: one of them sees what the other did, so that a run is not
-- held by a window that has just become empty.
CREATE FUNCTION app.admission_lock(p_org uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT hashtextextended(p_org::text, 7303022)
$$;

-- How many more runs may be admitted: negative when a limit was lowered. Counts no further than the limits.
CREATE FUNCTION app.window_room(p_org uuid, p_window integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_window integer;
  v_most_running integer;
  v_admitted integer;
  v_room integer;
BEGIN
  SELECT p_window * coalesce(l.weight, 1), l.max_concurrent_runs INTO v_window, v_most_running
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  SELECT count(*) INTO v_admitted FROM (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by IS NULL
    LIMIT v_window) AS admitted;
  v_room := v_window - v_admitted;
  IF v_most_running IS NOT NULL AND v_room > 0 THEN
    SELECT least(v_room, v_most_running - v_admitted - count(*)) INTO v_room FROM (
      SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.status = 'running' LIMIT v_most_running) AS running;
  END IF;
  RETURN v_room;
END $$;

-- For somebody about to store so many queued runs: how many of them may be admitted, and how many may be stored at all; null:
-- that many. A limit of queued runs up to 1,000 is exact, whoever else stores some at the same time; a larger one is watched by
-- the programs (packages/db/src/queue-limits.ts). While runs are held, new ones go behind them. With a p_count of 0 nothing is
-- locked: for long transactions, which claims must not wait for. Then the limit may be passed by those that are under way at
-- the same moment, and a run that is held by a window just become empty waits for the sweeper.
CREATE FUNCTION app.queue_room(p_org uuid, p_count integer, p_window integer, p_most_queued integer)
RETURNS TABLE (admissible integer, storable integer)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_most integer;
  v_most_running integer;
  v_window integer;
  v_held integer;
  v_is_locked boolean := false;
BEGIN
  SELECT coalesce(l.max_queued_runs, p_most_queued), l.max_concurrent_runs, p_window * coalesce(l.weight, 1)
  INTO v_most, v_most_running, v_window
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  IF v_most <= 1000 THEN
    IF p_count > 0 THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(p_org));
      v_is_locked := true;
    END IF;
    SELECT v_most - count(*) INTO storable FROM (
      SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL
      LIMIT v_most) AS queued;
  END IF;
  LOOP
    -- As window_room, but in one statement: this is on the way of every run.
    SELECT
      (SELECT count(*) FROM (
        SELECT FROM app.workflow_runs r
        WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by = 'organization'
        LIMIT p_window) AS held),
      v_window - (SELECT count(*) FROM (
        SELECT FROM app.workflow_runs r
        WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by IS NULL
        LIMIT v_window) AS admitted)
    INTO v_held, admissible;
    IF v_held > 0 OR admissible < 0 THEN
      admissible := 0;
    ELSIF v_most_running IS NOT NULL THEN
      admissible := greatest(app.window_room(p_org, p_window), 0);
    END IF;
    -- With a whole window held already nobody needs the lock: those will not all be gone before this transaction ends.
    EXIT WHEN v_is_locked OR admissible >= p_count OR v_held >= p_window;
    PERFORM pg_advisory_xact_lock(app.admission_lock(p_org));
    v_is_locked := true;
  END LOOP;
  RETURN NEXT;
END $$;

-- Whether an organization has as many queued runs as it may, by a count that goes no further; whether queue_room knows that
-- exactly; and whether it is worth asking again soon.
CREATE FUNCTION app.queue_state(p_org uuid, p_most_queued integer)
RETURNS TABLE (is_full boolean, is_exact boolean, is_busy boolean)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_most integer;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT coalesce(l.max_queued_runs, p_most_queued) INTO v_most
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  is_exact := v_most <= 1000;
  SELECT count(*) >= v_most INTO is_full FROM (
    SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL
    LIMIT v_most) AS queued;
  is_busy := is_full OR EXISTS (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by IS NOT NULL);
  PERFORM set_config('app.current_org_id', '', true);
  RETURN NEXT;
END $$;

-- Admits held runs, the oldest first, as many as there is room for, and answers them: wake a worker for each. Should nobody do
-- so, a sweeper finds them after 3 s. Called once room was made, in the transaction that made it.
CREATE FUNCTION app.admit_runs(p_org uuid, p_window integer) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_room integer;
  v_admitted uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.admission_lock(p_org));
  IF NOT EXISTS (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by = 'organization') THEN
    RETURN NULL;
  END IF;
  v_room := app.window_room(p_org, p_window);
  IF v_room <= 0 THEN
    RETURN NULL;
  END IF;
  -- Materialized: as a subquery it could be run again for each row, and take others each time.
  WITH oldest AS MATERIALIZED (
    SELECT h.id FROM app.workflow_runs h
    WHERE h.org_id = p_org AND h.status = 'queued' AND h.next_attempt_at IS NULL AND h.held_by = 'organization'
    ORDER BY h.id LIMIT v_room FOR NO KEY UPDATE SKIP LOCKED),
  admitted AS (
    UPDATE app.workflow_runs r SET held_by = NULL, next_sweep_at = now() + interval '3 s'
    FROM oldest WHERE r.org_id = p_org AND r.id = oldest.id
    RETURNING r.id)
  SELECT array_agg(a.id ORDER BY a.id) INTO v_admitted FROM admitted a;
  RETURN v_admitted;
END $$;

-- The same for each of these organizations, by somebody who is in none.
CREATE FUNCTION app.admit_held_runs(p_orgs uuid[], p_window integer) RETURNS TABLE (org_id uuid, admitted uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  FOREACH org_id IN ARRAY p_orgs LOOP
    PERFORM set_config('app.current_org_id', org_id::text, true);
    admitted := app.admit_runs(org_id, p_window);
    IF admitted IS NOT NULL THEN
      RETURN NEXT;
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- As in 0016, and here the limits of an organization hold. 'held': it runs as many as it may, so a run that was due goes back
-- among its queued ones, at the place of its age. 'admitted': not an answer to a claim, but the runs that its claims made room
-- for. is_counted: the run takes one of its organization's places, which whoever ends it has to give on (admit_held_runs).
-- has_place: it takes one of its workflow's (0023).
DROP FUNCTION app.claim_runs(jsonb);
CREATE FUNCTION app.claim_runs(p_claims jsonb, p_window integer DEFAULT 16)
RETURNS TABLE (
  number integer, outcome text, now_ms double precision, workflow_id uuid, version integer, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz, has_signals boolean,
  is_counted boolean, has_place boolean, admitted uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v_claim record;
  v_most integer;
  v_places integer;
  v_left integer;
  v_was_running boolean;
  v_left_window boolean;
BEGIN
  FOR v_of IN
    SELECT (c.e ->> 'orgId')::uuid AS org, jsonb_agg(c.e || jsonb_build_object('n', c.n)) AS claims
    FROM jsonb_array_elements(p_claims) WITH ORDINALITY AS c (e, n) GROUP BY 1 ORDER BY 1
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_left := 0;
    SELECT l.max_concurrent_runs INTO v_most FROM app.org_run_limits l WHERE l.org_id = v_of.org;
    v_places := NULL;
    IF v_most IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(v_of.org));
      SELECT v_most - count(*) INTO v_places FROM (
        SELECT FROM app.workflow_runs r WHERE r.org_id = v_of.org AND r.status = 'running' LIMIT v_most) AS running;
    END IF;
    FOR v_claim IN
      SELECT (e ->> 'n')::integer AS n, (e ->> 'runId')::uuid AS run,
        (e ->> 'leaseMs')::integer * interval '1 ms' AS lease
      FROM jsonb_array_elements(v_of.claims) AS e ORDER BY 2
    LOOP
      number := v_claim.n;
      admitted := NULL;
      UPDATE app.workflow_runs r
      SET status = 'running', lease_token = r.lease_token + 1, lease_until = now() + v_claim.lease,
        started_at = coalesce(r.started_at, now()), next_attempt_at = NULL,
        lost_claims = r.lost_claims + (r.status = 'running' AND r.lease_until IS NOT NULL)::integer
      WHERE r.org_id = v_of.org AND r.id = v_claim.run AND (r.status = 'running' OR v_places IS NULL OR v_places > 0)
        AND ((r.status = 'queued' AND r.held_by IS NULL
            AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read))
          OR (r.status = 'running' AND r.lease_until < now())
          OR (r.status = 'running' AND r.lease_until IS NULL
            AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read)))
      RETURNING 'claimed', extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version,
        r.state, r.input, r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
        r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz,
        r.signals_sent > r.signals_read, v_places IS NOT NULL, r.concurrency_key IS NOT NULL,
        old.status = 'running', old.status = 'queued' AND old.next_attempt_at IS NULL
      INTO outcome, now_ms, workflow_id, version, state, input, trigger_type, lease_token, lost_claims, attempt_count,
        max_attempts, next_attempt_at, created_at, started_at, has_signals, is_counted, has_place, v_was_running,
        v_left_window;
      IF FOUND THEN
        v_left := v_left + v_left_window::integer;
        v_places := v_places - (NOT v_was_running)::integer;
        RETURN NEXT;
        CONTINUE;
      END IF;
      IF v_places <= 0 THEN
        UPDATE app.workflow_runs r
        SET status = 'queued', held_by = 'organization', next_attempt_at = NULL, next_sweep_at = NULL
        WHERE r.org_id = v_of.org AND r.id = v_claim.run
          AND ((r.status = 'queued' AND r.held_by IS NULL
              AND (coalesce(r.next_attempt_at, now()) <= now() OR r.signals_sent > r.signals_read))
            OR (r.status = 'waiting' AND (r.next_attempt_at <= now() OR r.signals_sent > r.signals_read)))
        RETURNING old.status = 'queued' AND old.next_attempt_at IS NULL INTO v_left_window;
        IF FOUND THEN
          v_left := v_left + v_left_window::integer;
          outcome := 'held';
          RETURN NEXT;
          CONTINUE;
        END IF;
      END IF;
      RETURN QUERY
        SELECT v_claim.n, CASE r.status WHEN 'running' THEN 'busy' ELSE 'notDue' END,
          extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version, NULL::jsonb, NULL::jsonb,
          r.trigger_type, r.lease_token, r.lost_claims, r.attempt_count, r.max_attempts,
          r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz, false, false, false,
          NULL::uuid[]
        FROM app.workflow_runs r
        WHERE r.org_id = v_of.org AND r.id = v_claim.run AND r.status IN ('queued', 'running', 'waiting');
    END LOOP;
    IF v_left > 0 THEN
      admitted := app.admit_runs(v_of.org, p_window);
      IF admitted IS NOT NULL THEN
        outcome := 'admitted';
        state := NULL;
        input := NULL;
        RETURN NEXT;
      END IF;
    END IF;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- As in 0021. 'full': the organization has as many queued runs as it may. held_by: wake nobody for this one.
DROP FUNCTION app.accept_runs(jsonb);
CREATE FUNCTION app.accept_runs(p_runs jsonb, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000)
RETURNS TABLE (number integer, outcome text, version integer, run json, held_by text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_enabled boolean;
  v_org uuid;
  v_admissible integer;
  v_storable integer;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'version')::integer AS version, c.e #>> '{answer,key}' AS key,
      (count(*) OVER (PARTITION BY c.e ->> 'orgId'))::integer AS count
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n) ORDER BY 3, 7, 1
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    number := v.n;
    run := NULL;
    version := NULL;
    held_by := NULL;
    SELECT w.version, w.is_enabled INTO version, v_enabled FROM app.workflows w
    WHERE w.org_id = v.org AND w.id = v.workflow;
    outcome := CASE
      WHEN version IS NULL THEN 'gone'
      WHEN version = 0 THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN version <> v.version THEN 'version'
      ELSE 'accepted' END;
    IF outcome = 'accepted' AND v_org IS DISTINCT FROM v.org THEN
      SELECT room.admissible, room.storable INTO v_admissible, v_storable
      FROM app.queue_room(v.org, v.count, p_window, p_most_queued) AS room;
      v_org := v.org;
    END IF;
    IF outcome = 'accepted' AND v_storable <= 0 THEN
      outcome := 'full';
    END IF;
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
      held_by := CASE WHEN v_admissible <= 0 THEN 'organization' END;
      v_admissible := v_admissible - 1;
      v_storable := v_storable - 1;
      INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, input, max_attempts,
        requested_by_user_id, held_by, next_sweep_at)
      VALUES (v.org, v.run, v.workflow, version, 'trigger.manual', v.e -> 'input', (v.e ->> 'maxAttempts')::integer,
        (v.e ->> 'userId')::uuid, held_by, CASE WHEN held_by IS NULL THEN now() + interval '3 s' END);
    END IF;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- As in 0017. While the organization has as many queued runs as it may, the delivery waits: a sweeper comes back for it.
DROP FUNCTION app.make_hook_run(uuid, uuid);
CREATE FUNCTION app.make_hook_run(
  p_org uuid, p_delivery uuid, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000)
RETURNS TABLE (workflow_id uuid, run_id uuid, held_by text)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_admissible integer;
  v_storable integer;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT room.admissible, room.storable INTO v_admissible, v_storable
  FROM app.queue_room(p_org, 1, p_window, p_most_queued) AS room;
  IF v_storable IS NULL OR v_storable > 0 THEN
    RETURN QUERY
      WITH taken AS (
        UPDATE app.hook_deliveries d
        SET input = NULL, next_sweep_at = NULL, expires_at = now() + interval '72 hours'
        WHERE d.org_id = p_org AND d.id = p_delivery AND d.next_sweep_at IS NOT NULL
        RETURNING d.workflow_id, d.version, d.run_id, d.max_attempts, old.input)
      INSERT INTO app.workflow_runs AS r
        (org_id, id, workflow_id, version, trigger_type, input, max_attempts, held_by, next_sweep_at)
      SELECT p_org, t.run_id, t.workflow_id, t.version, 'trigger.webhook', t.input, t.max_attempts,
        CASE WHEN v_admissible <= 0 THEN 'organization' END, CASE WHEN v_admissible > 0 THEN now() + interval '3 s' END
      FROM taken t
      RETURNING r.workflow_id, r.id, r.held_by;
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.admission_lock(uuid) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.window_room(uuid, integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.queue_room(uuid, integer, integer, integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.queue_state(uuid, integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.admit_runs(uuid, integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.admit_held_runs(uuid[], integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION app.claim_runs(jsonb, integer) TO app_worker;
GRANT EXECUTE ON FUNCTION app.accept_runs(jsonb, integer, integer) TO app_api;
GRANT EXECUTE ON FUNCTION app.make_hook_run(uuid, uuid, integer, integer) TO app_api, app_worker;

GRANT SELECT (held_by) ON app.workflow_runs TO app_resolver;
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- As in 0016, and a run that is held waits for room: whoever makes some admits it.
CREATE OR REPLACE FUNCTION sys.stuck_runs(p_limit integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT r.org_id, r.id,
      CASE
        WHEN r.status = 'running' AND r.lease_until > now() THEN r.lease_until
        WHEN r.lease_until IS NULL AND r.next_attempt_at > now() AND r.signals_sent = r.signals_read THEN r.next_attempt_at
      END AS legitimate_until,
      (r.status = 'waiting' AND r.next_attempt_at IS NULL AND r.signals_sent = r.signals_read)
        OR (r.status = 'queued' AND r.held_by IS NOT NULL) AS has_no_time
    FROM app.workflow_runs r
    WHERE r.next_sweep_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303001))
    ORDER BY r.next_sweep_at
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  ), stamped AS (
    UPDATE app.workflow_runs r
    SET next_sweep_at = CASE
      WHEN due.has_no_time THEN NULL
      ELSE coalesce(due.legitimate_until, now() + interval '10 s') END
    FROM due WHERE r.org_id = due.org_id AND r.id = due.id
  )
  SELECT due.org_id, due.id FROM due WHERE due.legitimate_until IS NULL AND NOT due.has_no_time
$$;

-- Some of the organizations that have held runs, others each time when they are many. Their runs may wait although there is
-- room: an admitted one was cancelled, a limit was raised, or the owner of one that ended died before it gave its place on.
-- One process at a time gets any (7303023 is an arbitrary number; the lock ends with the transaction).
CREATE FUNCTION sys.orgs_with_held_runs(p_limit integer) RETURNS TABLE (org_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE held AS (
    (SELECT r.org_id FROM app.workflow_runs r
     WHERE r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by = 'organization'
       AND (SELECT pg_try_advisory_xact_lock(7303023))
     ORDER BY r.org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.org_id FROM app.workflow_runs r
            WHERE r.status = 'queued' AND r.next_attempt_at IS NULL AND r.held_by = 'organization' AND r.org_id > h.org_id
            ORDER BY r.org_id LIMIT 1)
    FROM held h WHERE h.org_id IS NOT NULL)
  SELECT h.org_id FROM held h WHERE h.org_id IS NOT NULL ORDER BY random() LIMIT p_limit
$$;
GRANT EXECUTE ON FUNCTION sys.orgs_with_held_runs(integer) TO app_api, app_worker;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
