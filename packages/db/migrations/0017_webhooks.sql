-- The address of a workflow. Its token is made from the server's key, the workflow and the generation; only its hash is here.
CREATE TABLE app.workflow_hooks (
  org_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
  token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  -- What senders sign with, sealed for this workflow; null while none is set.
  secret_sealed bytea,
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, workflow_id),
  CONSTRAINT workflow_hooks_token_key UNIQUE (token_hash),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_hooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_hooks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_hooks FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE ON app.workflow_hooks TO app_api;

-- Requests that were accepted. Each names its run from the beginning, so there is one run or none yet, never two. While there
-- is none, the row holds all that the run needs, and next_sweep_at says when somebody should make it; afterwards it stays for
-- a while, so that a sender who sends the same again hears the same answer.
CREATE TABLE app.hook_deliveries (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  version integer NOT NULL,
  run_id uuid NOT NULL,
  -- Of what the sender calls this delivery; null when it names none.
  dedupe_hash bytea CHECK (octet_length(dedupe_hash) = 32),
  input jsonb,
  max_attempts integer NOT NULL CHECK (max_attempts >= 1),
  next_sweep_at timestamptz(3) DEFAULT now() + interval '3 s',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, run_id),
  UNIQUE (org_id, workflow_id, dedupe_hash),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, workflow_id, version)
    REFERENCES app.workflow_versions (org_id, workflow_id, version) ON DELETE CASCADE,
  CHECK ((next_sweep_at IS NULL) = (expires_at IS NOT NULL)),
  CHECK ((next_sweep_at IS NULL) = (input IS NULL))
);
CREATE INDEX hook_deliveries_of_workflow ON app.hook_deliveries (org_id, workflow_id, id);
CREATE INDEX hook_deliveries_sweep ON app.hook_deliveries (next_sweep_at) WHERE next_sweep_at IS NOT NULL;
CREATE INDEX hook_deliveries_expiry ON app.hook_deliveries (expires_at) WHERE expires_at IS NOT NULL;
ALTER TABLE app.hook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.hook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.hook_deliveries FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, DELETE ON app.hook_deliveries TO app_api;
GRANT SELECT ON app.hook_deliveries TO app_worker;
GRANT UPDATE (input, next_sweep_at, expires_at) ON app.hook_deliveries TO app_api, app_worker;
GRANT INSERT (org_id, id, workflow_id, version, trigger_type, input, max_attempts) ON app.workflow_runs TO app_worker;

-- The run of an accepted delivery, unless somebody made it already: one row, or none. Run and mark commit together. The run
-- holds the input from now on; the delivery is kept for three days, the time that the most patient senders try again.
CREATE FUNCTION app.make_hook_run(p_org uuid, p_delivery uuid) RETURNS TABLE (workflow_id uuid, run_id uuid)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  RETURN QUERY
    WITH taken AS (
      UPDATE app.hook_deliveries d
      SET input = NULL, next_sweep_at = NULL, expires_at = now() + interval '72 hours'
      WHERE d.org_id = p_org AND d.id = p_delivery AND d.next_sweep_at IS NOT NULL
      RETURNING d.workflow_id, d.version, d.run_id, d.max_attempts, old.input)
    INSERT INTO app.workflow_runs AS r (org_id, id, workflow_id, version, trigger_type, input, max_attempts)
    SELECT p_org, t.run_id, t.workflow_id, t.version, 'trigger.webhook', t.input, t.max_attempts FROM taken t
    RETURNING r.workflow_id, r.id;
  PERFORM set_config('app.current_org_id', '', true);
END $$;
GRANT EXECUTE ON FUNCTION app.make_hook_run(uuid, uuid) TO app_api, app_worker;

GRANT SELECT (org_id, workflow_id, token_hash) ON app.workflow_hooks TO app_resolver;
CREATE POLICY resolver_read ON app.workflow_hooks FOR SELECT TO app_resolver USING (true);
GRANT SELECT (org_id, id, next_sweep_at, expires_at), UPDATE (next_sweep_at), DELETE ON app.hook_deliveries TO app_resolver;
CREATE POLICY resolver_read ON app.hook_deliveries FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.hook_deliveries FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);
CREATE POLICY resolver_purge ON app.hook_deliveries FOR DELETE TO app_resolver USING (expires_at <= now());
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION sys.workflow_by_hook(p_hash bytea) RETURNS TABLE (org_id uuid, workflow_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT h.org_id, h.workflow_id FROM app.workflow_hooks h WHERE h.token_hash = p_hash
$$;

-- Accepted deliveries whose run nobody has made within 3 s. As sys.stuck_runs: visited in turn, a row once in 10 s, and by one
-- sweeper at a time (7303017 is an arbitrary number; the lock ends with the transaction).
CREATE FUNCTION sys.stuck_hook_deliveries(p_limit integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT d.org_id, d.id FROM app.hook_deliveries d
    WHERE d.next_sweep_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303017))
    ORDER BY d.next_sweep_at
    LIMIT p_limit
    FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE app.hook_deliveries d SET next_sweep_at = now() + interval '10 s'
  FROM due WHERE d.org_id = due.org_id AND d.id = due.id
  RETURNING d.org_id, d.id
$$;

-- As sys.purge_idempotency_keys, for deliveries that nobody sends again. One without its run does not expire.
CREATE FUNCTION sys.purge_hook_deliveries(p_limit integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH expired AS (
    SELECT d.org_id, d.id FROM app.hook_deliveries d
    WHERE d.expires_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303018))
    ORDER BY d.expires_at
    LIMIT p_limit
  ), purged AS (
    DELETE FROM app.hook_deliveries d USING expired
    WHERE d.org_id = expired.org_id AND d.id = expired.id
    RETURNING 1
  )
  SELECT count(*)::integer FROM purged
$$;

GRANT EXECUTE ON FUNCTION sys.workflow_by_hook(bytea) TO app_api;
GRANT EXECUTE ON FUNCTION sys.stuck_hook_deliveries(integer) TO app_api, app_worker;
GRANT EXECUTE ON FUNCTION sys.purge_hook_deliveries(integer) TO app_api;

SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
