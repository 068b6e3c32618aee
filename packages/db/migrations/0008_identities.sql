-- Who a provider says somebody is: keyed by the provider's own id of them, never by their address.
CREATE TABLE app.user_identities (
  provider text NOT NULL CHECK (provider IN ('google', 'github')),
  subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
  user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
  email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  last_used_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, subject)
);
CREATE UNIQUE INDEX user_identities_user_key ON app.user_identities (user_id, provider);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.user_identities TO app_api;

-- A sign-in under way at a provider, between start and callback, which may reach different instances of the API.
-- user_id and session_id are set when a signed-in person links the provider to their account: it counts only while that
-- very session does.
CREATE TABLE app.oauth_flows (
  state_hash bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
  browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
  provider text NOT NULL CHECK (provider IN ('google', 'github')),
  sealed_verifier bytea NOT NULL CHECK (octet_length(sealed_verifier) <= 500),
  nonce text CHECK (char_length(nonce) <= 200),
  return_path text NOT NULL CHECK (char_length(return_path) <= 2000),
  user_id uuid REFERENCES app.users (id) ON DELETE CASCADE,
  session_id uuid REFERENCES app.auth_sessions (id) ON DELETE CASCADE,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3) NOT NULL,
  CHECK ((user_id IS NULL) = (session_id IS NULL))
);
CREATE INDEX oauth_flows_browser ON app.oauth_flows (browser_hash);
CREATE INDEX oauth_flows_session ON app.oauth_flows (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX oauth_flows_expiry ON app.oauth_flows (expires_at);
CREATE INDEX oauth_flows_user ON app.oauth_flows (user_id) WHERE user_id IS NOT NULL;
GRANT SELECT, INSERT, DELETE ON app.oauth_flows TO app_api;
