-- What is left of a deleted organization: where its audit log ended, and how much there was at the end. It belongs to
-- nobody's organization any more, so no program may reach it, and it never changes and never goes.
CREATE TABLE app.deleted_organizations (
  id uuid PRIMARY KEY,
  deleted_at timestamptz(3) NOT NULL,
  -- The last entry of the audit log; 0 and null when it never had one.
  seq bigint NOT NULL CHECK (seq >= 0),
  hash bytea CHECK (octet_length(hash) = 32),
  member_count integer NOT NULL CHECK (member_count >= 0),
  workflow_count integer NOT NULL CHECK (workflow_count >= 0),
  run_count integer NOT NULL CHECK (run_count >= 0),
  CHECK ((seq = 0) = (hash IS NULL))
);
CREATE TRIGGER never_changed BEFORE UPDATE ON app.deleted_organizations
  FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_removed BEFORE DELETE ON app.deleted_organizations
  FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON app.deleted_organizations
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
GRANT SELECT (id), INSERT ON app.deleted_organizations TO app_resolver;
GRANT SELECT (org_id) ON app.workflows TO app_resolver;
CREATE POLICY resolver_read ON app.workflows FOR SELECT TO app_resolver USING (true);

-- Of each organization the notice that is due the longest is found without reading the others.
DROP INDEX app.failure_notices_due;
CREATE INDEX failure_notices_due ON app.failure_notices (org_id, next_attempt_at) WHERE failed_count > 0;

GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The one writer of tombstones. Runs once the row is locked and before anything cascades, so the head is the last one.
CREATE FUNCTION sys.bury_organization() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO app.deleted_organizations (id, deleted_at, seq, hash, member_count, workflow_count, run_count)
  SELECT OLD.id, now(), coalesce(h.seq, 0), h.hash,
    (SELECT count(*) FROM app.memberships m WHERE m.org_id = OLD.id),
    (SELECT count(*) FROM app.workflows w WHERE w.org_id = OLD.id),
    (SELECT count(*) FROM app.workflow_runs r WHERE r.org_id = OLD.id)
  FROM (SELECT) one LEFT JOIN app.audit_heads h ON h.org_id = OLD.id;
  RETURN OLD;
END $$;

-- An id is used once: under one that was used before, another history would begin unnoticed. Called after the row is in
-- its unique index, so that a deletion at the same moment has come first or waits; and under READ COMMITTED alone, since an
-- older snapshot would not show the tombstone.
CREATE FUNCTION sys.refuse_deleted_organization() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'an organization is created under READ COMMITTED' USING ERRCODE = 'WF004';
  END IF;
  IF EXISTS (SELECT FROM app.deleted_organizations d WHERE d.id = NEW.id) THEN
    RAISE EXCEPTION 'organization % was deleted and does not come back', NEW.id USING ERRCODE = 'WF004';
  END IF;
  RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION sys.bury_organization(), sys.refuse_deleted_organization() TO app_owner;

-- As before, but the organizations with something to tell are visited one after the other through the index, and of each
-- one notice is read: the cost is that of their number, not of how many notices are due.
CREATE OR REPLACE FUNCTION sys.take_failure_notices(p_limit integer, p_lease integer, p_busy uuid[])
RETURNS TABLE (org_id uuid, workflow_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE orgs AS (
    (SELECT n.org_id FROM app.failure_notices n WHERE n.failed_count > 0 ORDER BY n.org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.org_id FROM app.failure_notices n WHERE n.failed_count > 0 AND n.org_id > o.org_id
            ORDER BY n.org_id LIMIT 1)
    FROM orgs o WHERE o.org_id IS NOT NULL),
  oldest AS (
    SELECT f.org_id, f.workflow_id FROM orgs o CROSS JOIN LATERAL (
      SELECT n.org_id, n.workflow_id FROM app.failure_notices n
      WHERE n.org_id = o.org_id AND n.failed_count > 0 AND n.next_attempt_at <= now()
      ORDER BY n.next_attempt_at LIMIT 1) f
    WHERE o.org_id <> ALL (p_busy)),
  due AS (
    SELECT n.org_id, n.workflow_id FROM app.failure_notices n
    JOIN oldest o ON o.org_id = n.org_id AND o.workflow_id = n.workflow_id
    WHERE n.failed_count > 0 AND n.next_attempt_at <= now()
    ORDER BY n.next_attempt_at LIMIT p_limit FOR UPDATE OF n SKIP LOCKED)
  UPDATE app.failure_notices n SET attempts = n.attempts + 1, next_attempt_at = now() + make_interval(secs => p_lease)
  FROM due WHERE n.org_id = due.org_id AND n.workflow_id = due.workflow_id
  RETURNING n.org_id, n.workflow_id
$$;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;

CREATE TRIGGER leaves_tombstone BEFORE DELETE ON app.organizations
  FOR EACH ROW EXECUTE FUNCTION sys.bury_organization();
CREATE TRIGGER never_again AFTER INSERT ON app.organizations
  FOR EACH ROW EXECUTE FUNCTION sys.refuse_deleted_organization();
CREATE TRIGGER same_id BEFORE UPDATE ON app.organizations
  FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION app.refuse_change();
-- Without this a truncation would leave no tombstones.
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON app.organizations
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
