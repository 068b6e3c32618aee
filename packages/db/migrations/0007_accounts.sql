-- An operator may disable a person (UPDATE app.users SET disabled_at = now()): every session ends in the same statement.
ALTER TABLE app.users ADD COLUMN disabled_at timestamptz(3);
CREATE FUNCTION app.end_sessions_of_disabled_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  UPDATE app.auth_sessions SET revoked_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER disabled AFTER UPDATE OF disabled_at ON app.users FOR EACH ROW
  WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION app.end_sessions_of_disabled_user();

-- Links sent by mail. The token is made from the server's key and the id, so that the mail can be written when it is
-- sent; the row keeps its hash alone.
CREATE TABLE app.account_tokens (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES app.users (id) ON DELETE CASCADE,
  purpose text NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
  email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
  token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3) NOT NULL,
  used_at timestamptz(3)
);
CREATE UNIQUE INDEX account_tokens_token_key ON app.account_tokens (token_hash);
CREATE INDEX account_tokens_age ON app.account_tokens (created_at);
CREATE INDEX account_tokens_user ON app.account_tokens (user_id, purpose);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.account_tokens TO app_api;

-- Mails to people, written in the transaction of what they tell about and sent afterwards. Never holds a token. Without a
-- user for a reset that somebody asked for: whether the address has an account is looked up when the mail is due, so that
-- asking costs the same whatever the answer.
CREATE TABLE app.account_mails (
  id uuid PRIMARY KEY,
  user_id uuid REFERENCES app.users (id) ON DELETE CASCADE,
  template text NOT NULL CHECK (char_length(template) BETWEEN 1 AND 50),
  recipient text NOT NULL CHECK (char_length(recipient) BETWEEN 3 AND 320),
  data jsonb NOT NULL DEFAULT '{}',
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX account_mails_due ON app.account_mails (next_attempt_at);
CREATE INDEX account_mails_user ON app.account_mails (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.account_mails TO app_api;

-- The same for what an organization sends: invitations, notices.
CREATE TABLE app.org_mails (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  template text NOT NULL CHECK (char_length(template) BETWEEN 1 AND 50),
  recipient text NOT NULL CHECK (char_length(recipient) BETWEEN 3 AND 320),
  data jsonb NOT NULL DEFAULT '{}',
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);
CREATE INDEX org_mails_due ON app.org_mails (next_attempt_at);
ALTER TABLE app.org_mails ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.org_mails FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.org_mails FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.org_mails TO app_api;

-- A resent invitation gets a new token; the one before it stops working.
ALTER TABLE app.organization_invitations ADD COLUMN generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
  ADD COLUMN resent_at timestamptz(3);

GRANT SELECT (org_id, id, attempts, next_attempt_at), UPDATE (attempts, next_attempt_at) ON app.org_mails TO app_resolver;
CREATE POLICY resolver_read ON app.org_mails FOR SELECT TO app_resolver USING (true);
CREATE POLICY resolver_stamp ON app.org_mails FOR UPDATE TO app_resolver USING (true) WITH CHECK (true);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Takes due mails of any organization, each for `p_lease` seconds: a sender that dies leaves them to the next one.
CREATE FUNCTION sys.take_org_mails(p_limit integer, p_lease integer) RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH due AS (
    SELECT m.org_id, m.id FROM app.org_mails m WHERE m.next_attempt_at <= now()
    ORDER BY m.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  UPDATE app.org_mails m SET attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => p_lease)
  FROM due WHERE m.org_id = due.org_id AND m.id = due.id
  RETURNING m.org_id, m.id
$$;
GRANT EXECUTE ON FUNCTION sys.take_org_mails(integer, integer) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
