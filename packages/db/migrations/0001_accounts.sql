-- People and their sessions have no organization: no policy, but only the API's role can reach them.
CREATE TABLE app.users (
  id uuid PRIMARY KEY,
  email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
  display_name text CHECK (char_length(display_name) <= 200),
  password_hash text CHECK (char_length(password_hash) <= 500),
  email_verified_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_key ON app.users (lower(email));
GRANT SELECT, INSERT, UPDATE ON app.users TO app_api;

-- Of the refresh token only hashes are stored. refresh_hash belongs to refresh_generation; the generation before it
-- is honoured for a short grace after rotated_at.
CREATE TABLE app.auth_sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
  refresh_generation integer NOT NULL DEFAULT 0 CHECK (refresh_generation >= 0),
  refresh_salt bytea NOT NULL CHECK (octet_length(refresh_salt) BETWEEN 16 AND 64),
  refresh_hash bytea NOT NULL CHECK (octet_length(refresh_hash) = 32),
  rotated_at timestamptz(3),
  idle_expires_at timestamptz(3) NOT NULL,
  absolute_expires_at timestamptz(3) NOT NULL,
  revoked_at timestamptz(3),
  user_agent text CHECK (char_length(user_agent) <= 1000),
  ip_address text CHECK (char_length(ip_address) <= 100),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  last_used_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX auth_sessions_user ON app.auth_sessions (user_id, created_at DESC);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.auth_sessions TO app_api;

CREATE TABLE app.roles (
  key text PRIMARY KEY,
  rank integer NOT NULL UNIQUE
);
INSERT INTO app.roles (key, rank) VALUES ('owner', 3), ('admin', 2), ('member', 1);
GRANT SELECT ON app.roles TO app_api;

-- The slug is unique across organizations on purpose; whoever reports a clash must not say whose it is.
CREATE TABLE app.organizations (
  id uuid PRIMARY KEY,
  slug text NOT NULL CONSTRAINT organizations_slug_key UNIQUE CHECK (slug ~ '^[a-z0-9-]{3,50}$'),
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
ALTER TABLE app.organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.organizations FOR ALL TO app_api
  USING (id = (SELECT app.current_org_id())) WITH CHECK (id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.organizations TO app_api;

CREATE TABLE app.memberships (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
  role_key text NOT NULL REFERENCES app.roles (key),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  CONSTRAINT memberships_user_key UNIQUE (org_id, user_id)
);
CREATE INDEX memberships_of_user ON app.memberships (user_id, org_id);
ALTER TABLE app.memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.memberships FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.memberships TO app_api;

CREATE TABLE app.organization_invitations (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
  role_key text NOT NULL REFERENCES app.roles (key),
  token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  invited_by_user_id uuid NOT NULL REFERENCES app.users (id),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3) NOT NULL,
  accepted_at timestamptz(3),
  accepted_by_user_id uuid REFERENCES app.users (id),
  revoked_at timestamptz(3),
  PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX organization_invitations_token_key ON app.organization_invitations (token_hash);
CREATE INDEX organization_invitations_list ON app.organization_invitations (org_id, created_at DESC, id DESC);
ALTER TABLE app.organization_invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.organization_invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.organization_invitations FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.organization_invitations TO app_api;

-- Append-only by its grants: no role of a program can change or delete an entry. Entries go with their organization.
CREATE TABLE app.audit_log (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  seq bigint NOT NULL CHECK (seq > 0),
  occurred_at timestamptz(3) NOT NULL,
  actor_user_id uuid,
  action text NOT NULL CHECK (char_length(action) BETWEEN 1 AND 100),
  subject_type text NOT NULL CHECK (char_length(subject_type) BETWEEN 1 AND 100),
  subject_id text CHECK (char_length(subject_id) <= 200),
  data jsonb NOT NULL,
  prev_hash bytea CHECK (octet_length(prev_hash) = 32),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (org_id, seq),
  CHECK ((seq = 1) = (prev_hash IS NULL))
);
ALTER TABLE app.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.audit_log FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.audit_log TO app_api;

-- status and response stay null while the first request with this key is still being answered.
CREATE TABLE app.idempotency_keys (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
  scope text NOT NULL CHECK (char_length(scope) <= 1000),
  request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
  status integer CHECK (status BETWEEN 100 AND 599),
  response jsonb,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3) NOT NULL,
  PRIMARY KEY (org_id, key)
);
ALTER TABLE app.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.idempotency_keys FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.idempotency_keys TO app_api;
