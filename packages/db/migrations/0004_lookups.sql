-- What must be answered before an organization is known. Each function runs as app_resolver, which may read only the
-- columns granted here, and returns as little as its caller needs; the caller then opens an ordinary org transaction.
GRANT SELECT (id, user_id, revoked_at, idle_expires_at, absolute_expires_at) ON app.auth_sessions TO app_resolver;
GRANT SELECT (org_id, user_id, role_key) ON app.memberships TO app_resolver;
GRANT SELECT (id, slug, name, created_at) ON app.organizations TO app_resolver;
GRANT SELECT (org_id, id, token_hash) ON app.organization_invitations TO app_resolver;
GRANT SELECT (org_id, id, status, next_attempt_at, lease_until, next_sweep_at) ON app.workflow_runs TO app_resolver;
GRANT UPDATE (next_sweep_at) ON app.workflow_runs TO app_resolver;
CREATE POLICY resolver_read ON app.memberships FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_read ON app.organizations FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_read ON app.organization_invitations FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_read ON app.workflow_runs FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.workflow_runs FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);

GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Always one row: whether the session may still be used by this user, and the user's role in the organization
-- (null without one, without a membership, or when no organization is asked about).
CREATE FUNCTION sys.authorize(p_session uuid, p_user uuid, p_org uuid)
RETURNS TABLE (is_session_active boolean, role_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT
    EXISTS (
      SELECT FROM app.auth_sessions s
      WHERE s.id = p_session AND s.user_id = p_user AND s.revoked_at IS NULL
        AND s.idle_expires_at > now() AND s.absolute_expires_at > now()),
    (SELECT m.role_key FROM app.memberships m WHERE m.org_id = p_org AND m.user_id = p_user)
$$;

CREATE FUNCTION sys.orgs_of_user(p_user uuid)
RETURNS TABLE (id uuid, slug text, name text, created_at timestamptz, role_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT o.id, o.slug, o.name, o.created_at, m.role_key
  FROM app.memberships m JOIN app.organizations o ON o.id = m.org_id
  WHERE m.user_id = p_user
  ORDER BY o.created_at, o.id
$$;

-- Also finds expired, used and revoked invitations: the caller answers them differently from unknown ones.
CREATE FUNCTION sys.invitation_by_token(p_hash bytea) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT i.org_id, i.id FROM app.organization_invitations i WHERE i.token_hash = p_hash
$$;

-- Runs that wait for a worker and have none: due for 3 s and unclaimed, or left by an owner whose lease ran out.
-- A row looked at is stamped with the time of its next look. Rows are visited in the order of these stamps, so a long
-- backlog is gone through in turn and cannot hide a lost run behind it. Only one sweeper at a time gets any rows
-- (7303001 is an arbitrary number; the lock ends with the transaction).
CREATE FUNCTION sys.stuck_runs(p_limit integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT r.org_id, r.id,
      CASE
        WHEN r.status = 'running' AND r.lease_until > now() THEN r.lease_until
        WHEN r.lease_until IS NULL AND r.next_attempt_at > now() THEN r.next_attempt_at
      END AS legitimate_until,
      r.status = 'waiting' AND r.next_attempt_at IS NULL AS has_no_time
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

GRANT EXECUTE ON FUNCTION sys.authorize(uuid, uuid, uuid) TO app_api;
GRANT EXECUTE ON FUNCTION sys.orgs_of_user(uuid) TO app_api;
GRANT EXECUTE ON FUNCTION sys.invitation_by_token(bytea) TO app_api;
GRANT EXECUTE ON FUNCTION sys.stuck_runs(integer) TO app_api, app_worker;

SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
