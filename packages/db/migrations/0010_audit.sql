-- From where a change was made. Entries older than these columns keep their hashes: an absent origin is not hashed.
ALTER TABLE app.audit_log
  ADD COLUMN actor_api_key_id uuid,
  ADD COLUMN ip_address text CHECK (char_length(ip_address) <= 100),
  ADD COLUMN user_agent text CHECK (char_length(user_agent) <= 1000),
  ADD COLUMN request_id uuid;

-- Where each organization's chain ends: without it nobody could tell that its last entries were cut off.
CREATE TABLE app.audit_heads (
  org_id uuid PRIMARY KEY REFERENCES app.organizations (id) ON DELETE CASCADE,
  seq bigint NOT NULL CHECK (seq > 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);
ALTER TABLE app.audit_log NO FORCE ROW LEVEL SECURITY;
INSERT INTO app.audit_heads (org_id, seq, hash)
  SELECT DISTINCT ON (org_id) org_id, seq, hash FROM app.audit_log ORDER BY org_id, seq DESC;
ALTER TABLE app.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE app.audit_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.audit_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.audit_heads FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE (seq, hash) ON app.audit_heads TO app_api;
