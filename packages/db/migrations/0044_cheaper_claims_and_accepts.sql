-- A claim changes no column that an index has or asks for, so that it can stay on its page (HOT) and writes no index entry: half of
-- what a claim cost. That excludes the status; is_active stays true from the moment a run is queued until its owner parks or
-- ends it. Of what is active, the held runs are all queued; of the others status tells who is. Room on each page is for claims.
-- Whoever counts what is active asks for the order of its index, so that no planner takes another one for as good.
DROP INDEX app.workflow_runs_queued;
DROP INDEX app.workflow_runs_running;
ALTER TABLE app.workflow_runs ADD COLUMN is_active boolean NOT NULL
  GENERATED ALWAYS AS (status = 'running' OR (status = 'queued' AND next_attempt_at IS NULL)) STORED;
ALTER TABLE app.workflow_runs SET (fillfactor = 70);
CREATE INDEX workflow_runs_active ON app.workflow_runs (org_id, held_by, id) WHERE is_active;

-- Of runs that are in somebody's hands, or should be; counts no further than p_most.
CREATE FUNCTION app.count_running(p_org uuid, p_most integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
BEGIN
  RETURN (SELECT count(*) FROM (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.is_active AND r.held_by IS NULL AND r.status = 'running'
    ORDER BY r.held_by, r.id LIMIT p_most) AS running);
END $$;
GRANT EXECUTE ON FUNCTION app.count_running(uuid, integer) TO app_api, app_worker;

-- As in 0041.
CREATE OR REPLACE FUNCTION app.window_room(p_org uuid, p_window integer, p_from uuid DEFAULT '00000000-0000-0000-0000-000000000000') RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
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
    WHERE r.org_id = p_org AND r.is_active AND r.held_by IS NULL AND r.status = 'queued'
      AND r.id >= p_from
    ORDER BY r.held_by, r.id LIMIT v_window) AS admitted;
  v_room := v_window - v_admitted;
  IF v_most_running IS NOT NULL AND v_room > 0 THEN
    v_room := least(v_room, v_most_running - v_admitted - app.count_running(p_org, v_most_running));
  END IF;
  RETURN v_room;
END $$;

-- As in 0041.
CREATE OR REPLACE FUNCTION app.admit_runs(p_org uuid, p_window integer, p_from uuid DEFAULT '00000000-0000-0000-0000-000000000000') RETURNS uuid[]
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  v_from uuid := CASE WHEN random() < 0.98 THEN p_from ELSE c_first END;
  v_room integer;
  v_admitted uuid[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.admission_lock(p_org));
  WHILE NOT EXISTS (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.is_active AND r.held_by = 'organization'
      AND r.id >= v_from)
  LOOP
    IF v_from = c_first THEN
      RETURN NULL;
    END IF;
    v_from := c_first;
  END LOOP;
  v_room := app.window_room(p_org, p_window, v_from);
  IF v_room <= 0 THEN
    RETURN NULL;
  END IF;
  -- Materialized: as a subquery it could be run again for each row, and take others each time.
  WITH oldest AS MATERIALIZED (
    SELECT h.id FROM app.workflow_runs h
    WHERE h.org_id = p_org AND h.is_active AND h.held_by = 'organization'
      AND h.id >= v_from
    ORDER BY h.id LIMIT v_room FOR NO KEY UPDATE SKIP LOCKED),
  admitted AS (
    UPDATE app.workflow_runs r SET held_by = NULL, next_sweep_at = now() + interval '3 s'
    FROM oldest WHERE r.org_id = p_org AND r.id = oldest.id
    RETURNING r.id)
  SELECT array_agg(a.id ORDER BY a.id) INTO v_admitted FROM admitted a;
  RETURN v_admitted;
END $$;

-- As in 0022, from p_from on: the oldest queued run of the organization that somebody saw last, or a newer one that was then stored
-- first; queued_from is the oldest now, null when there is none. What is over stands in the index until the next vacuum, and all of
-- it would be passed by with each run that is stored. A run that is queued with an older id meanwhile is overlooked, so that too
-- many are admitted, never too few; one look in fifty begins at the first. Where a limit of running runs holds, runs go back among
-- the held ones all the time, and each look does.
DROP FUNCTION app.queue_room(uuid, integer, integer, integer);
CREATE FUNCTION app.queue_room(
  p_org uuid, p_count integer, p_window integer, p_most_queued integer, p_from uuid DEFAULT NULL)
RETURNS TABLE (admissible integer, storable integer, queued_from uuid)
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  v_from uuid := c_first;
  v_most integer;
  v_most_running integer;
  v_window integer;
  v_held integer;
  v_is_locked boolean := false;
BEGIN
  SELECT coalesce(l.max_queued_runs, p_most_queued), l.max_concurrent_runs, p_window * coalesce(l.weight, 1)
  INTO v_most, v_most_running, v_window
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  IF v_most_running IS NULL AND random() < 0.98 THEN
    v_from := coalesce(p_from, c_first);
  END IF;
  IF v_most <= 1000 THEN
    IF p_count > 0 THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(p_org));
      v_is_locked := true;
    END IF;
    SELECT v_most - count(*) INTO storable FROM (
      SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.is_active AND r.status = 'queued'
      ORDER BY r.held_by, r.id LIMIT v_most) AS queued;
  END IF;
  LOOP
    SELECT count(q.held_by), greatest(v_window - count(*) FILTER (WHERE q.held_by IS NULL), 0), (array_agg(q.id ORDER BY q.id))[1]
    INTO v_held, admissible, queued_from FROM (
      (SELECT r.id, r.held_by FROM app.workflow_runs r
       WHERE r.org_id = p_org AND r.is_active AND r.held_by = 'organization' AND r.id >= v_from
       ORDER BY r.id LIMIT p_window)
      UNION ALL
      (SELECT r.id, r.held_by FROM app.workflow_runs r
       WHERE r.org_id = p_org AND r.is_active AND r.held_by IS NULL AND r.status = 'queued' AND r.id >= v_from
       ORDER BY r.held_by, r.id LIMIT v_window)) AS q;
    IF v_held > 0 THEN
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
GRANT EXECUTE ON FUNCTION app.queue_room(uuid, integer, integer, integer, uuid) TO app_api, app_worker;

-- As in 0040. queued_from: for the next call that stores runs of the organization, as its queuedFrom.
DROP FUNCTION app.accept_runs(jsonb, integer, integer);
CREATE FUNCTION app.accept_runs(p_runs jsonb, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000)
RETURNS TABLE (number integer, outcome text, version integer, run json, held_by text, queued_from uuid)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v record;
  v_enabled boolean;
  v_org uuid;
  v_admissible integer;
  v_storable integer;
  v_queued_from uuid;
BEGIN
  FOR v IN
    SELECT c.n::integer AS n, c.e, (c.e ->> 'orgId')::uuid AS org, (c.e ->> 'workflowId')::uuid AS workflow,
      (c.e ->> 'runId')::uuid AS run, (c.e ->> 'version')::integer AS version, c.e #>> '{answer,key}' AS key,
      (count(*) OVER (PARTITION BY c.e ->> 'orgId'))::integer AS count,
      (min((c.e ->> 'runId') COLLATE "C") OVER (PARTITION BY c.e ->> 'orgId'))::uuid AS least
    FROM jsonb_array_elements(p_runs) WITH ORDINALITY AS c (e, n) ORDER BY 3, 7, 1
  LOOP
    PERFORM set_config('app.current_org_id', v.org::text, true);
    number := v.n;
    run := NULL;
    version := NULL;
    held_by := NULL;
    queued_from := NULL;
    SELECT w.version, w.is_enabled INTO version, v_enabled FROM app.workflows w
    WHERE w.org_id = v.org AND w.id = v.workflow;
    outcome := CASE
      WHEN version IS NULL THEN 'gone'
      WHEN version = 0 THEN 'unpublished'
      WHEN NOT v_enabled THEN 'disabled'
      WHEN version <> v.version THEN 'version'
      ELSE 'accepted' END;
    IF outcome = 'accepted' AND v_org IS DISTINCT FROM v.org THEN
      SELECT room.admissible, room.storable, least(room.queued_from, v.least)
      INTO v_admissible, v_storable, v_queued_from
      FROM app.queue_room(v.org, v.count, p_window, p_most_queued, (v.e ->> 'queuedFrom')::uuid) AS room;
      v_org := v.org;
    END IF;
    IF outcome = 'accepted' AND v_storable <= 0 THEN
      outcome := 'full';
    END IF;
    IF outcome = 'accepted' THEN
      run := json_build_object(
        'id', v.run, 'organizationId', v.org, 'workflowId', v.workflow, 'version', version,
        'triggerType', 'trigger.manual', 'status', 'queued', 'attemptCount', 0,
        'maxAttempts', (v.e ->> 'maxAttempts')::integer, 'nextAttemptAt', NULL, 'retryOfRunId', NULL, 'parentRunId', NULL,
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
      queued_from := v_queued_from;
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
GRANT EXECUTE ON FUNCTION app.accept_runs(jsonb, integer, integer) TO app_api;

-- As in 0022, with the same.
DROP FUNCTION app.make_hook_run(uuid, uuid, integer, integer);
CREATE FUNCTION app.make_hook_run(
  p_org uuid, p_delivery uuid, p_window integer DEFAULT 16, p_most_queued integer DEFAULT 100000,
  p_from uuid DEFAULT NULL)
RETURNS TABLE (workflow_id uuid, run_id uuid, held_by text, queued_from uuid)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
  v_admissible integer;
  v_storable integer;
  v_queued_from uuid;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT room.admissible, room.storable, room.queued_from INTO v_admissible, v_storable, v_queued_from
  FROM app.queue_room(p_org, 1, p_window, p_most_queued, p_from) AS room;
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
      RETURNING r.workflow_id, r.id, r.held_by, least(v_queued_from, r.id);
  END IF;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
GRANT EXECUTE ON FUNCTION app.make_hook_run(uuid, uuid, integer, integer, uuid) TO app_api, app_worker;

-- As in 0031, with the same.
DROP FUNCTION app.start_child_run(uuid, uuid, text, jsonb, integer);
CREATE FUNCTION app.start_child_run(p_org uuid, p_parent uuid, p_step text, p_child jsonb, p_window integer)
RETURNS TABLE (outcome text, version integer, run_id uuid, status text, output jsonb, output_blob bytea, error jsonb,
  is_held boolean, queued_from uuid)
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
      SELECT room.admissible <= 0, least(room.queued_from, (p_child ->> 'runId')::uuid) INTO v_is_held, queued_from
      FROM app.queue_room(p_org, 1, p_window, 2147483647, (p_child ->> 'queuedFrom')::uuid) AS room;
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
GRANT EXECUTE ON FUNCTION app.start_child_run(uuid, uuid, text, jsonb, integer) TO app_worker;

-- As in 0022.
CREATE OR REPLACE FUNCTION app.queue_state(p_org uuid, p_most_queued integer)
RETURNS TABLE (is_full boolean, is_exact boolean, is_busy boolean)
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
  v_most integer;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  SELECT coalesce(l.max_queued_runs, p_most_queued) INTO v_most
  FROM (SELECT) AS one LEFT JOIN app.org_run_limits l ON l.org_id = p_org;
  is_exact := v_most <= 1000;
  SELECT count(*) >= v_most INTO is_full FROM (
    SELECT FROM app.workflow_runs r WHERE r.org_id = p_org AND r.is_active AND r.status = 'queued'
    ORDER BY r.held_by, r.id LIMIT v_most) AS queued;
  is_busy := is_full OR EXISTS (
    SELECT FROM app.workflow_runs r
    WHERE r.org_id = p_org AND r.is_active AND r.held_by IS NOT NULL);
  PERFORM set_config('app.current_org_id', '', true);
  RETURN NEXT;
END $$;

-- As in 0041.
CREATE OR REPLACE FUNCTION app.claim_runs(p_claims jsonb, p_window integer DEFAULT 16)
RETURNS TABLE (
  number integer, outcome text, now_ms double precision, workflow_id uuid, version integer, state jsonb, input jsonb,
  trigger_type text, lease_token bigint, lost_claims integer, attempt_count integer, max_attempts integer,
  next_attempt_at timestamptz, created_at timestamptz, started_at timestamptz, has_signals boolean,
  is_counted boolean, has_place boolean, admitted uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v_claim record;
  v_most integer;
  v_places integer;
  v_from uuid;
  v_was_running boolean;
  v_left_window boolean;
BEGIN
  FOR v_of IN
    SELECT (c.e ->> 'orgId')::uuid AS org, jsonb_agg(c.e || jsonb_build_object('n', c.n)) AS claims
    FROM jsonb_array_elements(p_claims) WITH ORDINALITY AS c (e, n) GROUP BY 1 ORDER BY 1
  LOOP
    PERFORM set_config('app.current_org_id', v_of.org::text, true);
    v_from := NULL;
    SELECT l.max_concurrent_runs INTO v_most FROM app.org_run_limits l WHERE l.org_id = v_of.org;
    v_places := NULL;
    IF v_most IS NOT NULL THEN
      PERFORM pg_advisory_xact_lock(app.admission_lock(v_of.org));
      v_places := v_most - app.count_running(v_of.org, v_most);
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
        v_from := CASE WHEN v_left_window THEN least(v_from, v_claim.run) ELSE v_from END;
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
          v_from := CASE WHEN v_left_window THEN least(v_from, v_claim.run) ELSE v_from END;
          outcome := 'held';
          RETURN NEXT;
          CONTINUE;
        END IF;
      END IF;
      RETURN QUERY
        SELECT v_claim.n, CASE r.status WHEN 'running' THEN 'busy' ELSE 'notDue' END,
          extract(epoch FROM now())::double precision * 1000, r.workflow_id, r.version, NULL::jsonb, NULL::jsonb,
          r.trigger_type::text, r.lease_token, r.lost_claims, r.attempt_count::integer, r.max_attempts::integer,
          r.next_attempt_at::timestamptz, r.created_at::timestamptz, r.started_at::timestamptz, false, false, false,
          NULL::uuid[]
        FROM app.workflow_runs r
        WHERE r.org_id = v_of.org AND r.id = v_claim.run AND r.status IN ('queued', 'running', 'waiting');
    END LOOP;
    IF v_from IS NOT NULL THEN
      -- Where a limit holds, runs go back among the held ones that are older than those admitted.
      admitted := CASE WHEN v_most IS NULL THEN app.admit_runs(v_of.org, p_window, v_from)
        ELSE app.admit_runs(v_of.org, p_window) END;
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

GRANT SELECT (is_active) ON app.workflow_runs TO app_resolver;
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
-- As in 0022.
CREATE OR REPLACE FUNCTION sys.orgs_with_held_runs(p_limit integer) RETURNS TABLE (org_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE held AS (
    (SELECT r.org_id FROM app.workflow_runs r
     WHERE r.is_active AND r.held_by = 'organization'
       AND (SELECT pg_try_advisory_xact_lock(7303023))
     ORDER BY r.org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.org_id FROM app.workflow_runs r
            WHERE r.is_active AND r.held_by = 'organization' AND r.org_id > h.org_id
            ORDER BY r.org_id LIMIT 1)
    FROM held h WHERE h.org_id IS NOT NULL)
  SELECT h.org_id FROM held h WHERE h.org_id IS NOT NULL ORDER BY random() LIMIT p_limit
$$;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
