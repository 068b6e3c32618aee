-- From where a change was made. Entries older than these columns keep their hashes: an absent origin is not hashed.
ALTER TABLE app.audit_log
  ADD COLUMN actor_api_key_id uuid,
  ADD COLUMN ip_address text CHECK (char_length(ip_address) <= 100),
  ADD COLUMN user_agent text CHECK (char_length(user_agent) <= 1000),
  ADD COLUMN request_id uuid;
CREATE INDEX audit_log_by_action ON app.audit_log (org_id, action, seq DESC);
CREATE INDEX audit_log_by_actor ON app.audit_log (org_id, actor_user_id, seq DESC);
CREATE INDEX audit_log_by_time ON app.audit_log (org_id, occurred_at DESC);

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
GRANT SELECT ON app.audit_heads TO app_api;

-- Who verifies a chain connects as the owner and reads one organization at a time, as everybody does.
CREATE POLICY owner_read ON app.audit_log FOR SELECT TO app_owner USING (org_id = (SELECT app.current_org_id()));
CREATE POLICY owner_read ON app.audit_heads FOR SELECT TO app_owner USING (org_id = (SELECT app.current_org_id()));

-- Grants keep programs from changing an entry; these keep everybody, owner and superuser included, from doing it without
-- first taking a trigger away. Entries and heads go with their organization alone: only its cascade deletes from within
-- another trigger.
CREATE TRIGGER never_changed BEFORE UPDATE ON app.audit_log
  FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_removed BEFORE DELETE ON app.audit_log
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON app.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER only_forward BEFORE UPDATE ON app.audit_heads
  FOR EACH ROW WHEN (NEW.org_id <> OLD.org_id OR NEW.seq <> OLD.seq + 1) EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_removed BEFORE DELETE ON app.audit_heads
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON app.audit_heads
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();

GRANT SELECT, INSERT, UPDATE (seq, hash) ON app.audit_heads TO app_resolver;
CREATE POLICY resolver_advance ON app.audit_heads FOR ALL TO app_resolver USING (true) WITH CHECK (true);

-- Answers kept under an Idempotency-Key are removed some time after they stop counting.
CREATE INDEX idempotency_keys_expiry ON app.idempotency_keys (expires_at);
GRANT SELECT (org_id, key, expires_at), DELETE ON app.idempotency_keys TO app_resolver;
CREATE POLICY resolver_read ON app.idempotency_keys FOR SELECT TO app_resolver USING (expires_at <= now());
CREATE POLICY resolver_purge ON app.idempotency_keys FOR DELETE TO app_resolver USING (expires_at <= now());

GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The one writer of heads: an entry is accepted only when it continues the chain, and moves the head by exactly one.
-- Programs cannot write heads at all, so a program that was taken over can add to a history but not tell another one.
CREATE FUNCTION sys.advance_audit_head() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.seq = 1 THEN
    INSERT INTO app.audit_heads (org_id, seq, hash) VALUES (NEW.org_id, NEW.seq, NEW.hash) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE app.audit_heads SET seq = NEW.seq, hash = NEW.hash
    WHERE org_id = NEW.org_id AND seq = NEW.seq - 1 AND hash = NEW.prev_hash;
  END IF;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % does not continue the audit log of organization %', NEW.seq, NEW.org_id
      USING ERRCODE = 'WF003';
  END IF;
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION sys.advance_audit_head() TO app_owner;

-- Removes at most p_limit expired keys of any organization and says how many. One caller at a time does anything
-- (7303003 is an arbitrary number; the lock ends with the transaction).
CREATE FUNCTION sys.purge_idempotency_keys(p_limit integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH expired AS (
    SELECT k.org_id, k.key FROM app.idempotency_keys k
    WHERE k.expires_at <= now() AND (SELECT pg_try_advisory_xact_lock(7303003))
    ORDER BY k.expires_at
    LIMIT p_limit
  ), purged AS (
    DELETE FROM app.idempotency_keys k USING expired
    WHERE k.org_id = expired.org_id AND k.key = expired.key
    RETURNING 1
  )
  SELECT count(*)::integer FROM purged
$$;
GRANT EXECUTE ON FUNCTION sys.purge_idempotency_keys(integer) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;

CREATE TRIGGER continues_chain AFTER INSERT ON app.audit_log
  FOR EACH ROW EXECUTE FUNCTION sys.advance_audit_head();
