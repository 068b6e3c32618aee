-- A key acts for whoever made it, in one organization, with at most the permissions named here and never more than its
-- maker's role holds at that moment. Only its hash is stored; it has 256 random bits.
CREATE TABLE app.api_keys (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
  key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
  key_hint text NOT NULL CHECK (char_length(key_hint) <= 12),
  permissions text[] NOT NULL CHECK (cardinality(permissions) BETWEEN 1 AND 100),
  created_by_user_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  last_used_at timestamptz(3),
  revoked_at timestamptz(3),
  PRIMARY KEY (org_id, id),
  -- A key goes with its maker's membership: somebody who comes back later does not bring old keys back to life.
  CONSTRAINT api_keys_maker_fkey FOREIGN KEY (org_id, created_by_user_id)
    REFERENCES app.memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX api_keys_hash_key ON app.api_keys (key_hash);
CREATE INDEX api_keys_list ON app.api_keys (org_id, created_at DESC, id DESC);
CREATE INDEX api_keys_maker ON app.api_keys (org_id, created_by_user_id);
ALTER TABLE app.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.api_keys FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.api_keys TO app_api;

GRANT SELECT (org_id, id, key_hash, permissions, created_by_user_id, expires_at, last_used_at, revoked_at)
  ON app.api_keys TO app_resolver;
GRANT SELECT (id, disabled_at) ON app.users TO app_resolver;
CREATE POLICY resolver_read ON app.api_keys FOR SELECT TO app_resolver USING (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- One row for a key that counts right now, none otherwise. role_key is its maker's role; a maker who is no member, or is
-- disabled, takes the key down with them. is_use_stale: nobody noted its use within the last minute.
CREATE FUNCTION sys.authorize_api_key(p_hash bytea)
RETURNS TABLE (org_id uuid, id uuid, user_id uuid, role_key text, permissions text[], is_use_stale boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT k.org_id, k.id, u.id, m.role_key, k.permissions,
    coalesce(k.last_used_at < now() - interval '1 minute', true)
  FROM app.api_keys k
  JOIN app.users u ON u.id = k.created_by_user_id AND u.disabled_at IS NULL
  JOIN app.memberships m ON m.org_id = k.org_id AND m.user_id = u.id
  WHERE k.key_hash = p_hash AND k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true)
$$;
GRANT EXECUTE ON FUNCTION sys.authorize_api_key(bytea) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
