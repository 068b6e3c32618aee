-- A webhook's URL often holds a secret of the receiver: from here on it is kept sealed. Rows from before stay readable until
-- their webhook is chosen again.
ALTER TABLE app.failure_notice_settings
  ADD COLUMN webhook_url_sealed bytea CHECK (octet_length(webhook_url_sealed) <= 8100),
  DROP CONSTRAINT failure_notice_settings_check,
  ADD CONSTRAINT failure_notice_settings_webhook CHECK (
    num_nonnulls(webhook_url, webhook_url_sealed) = CASE WHEN channel = 'webhook' THEN 1 ELSE 0 END);

-- Steps of a notice, each one statement: a sender that freezes must not hold the row's lock, for which a run that fails would
-- wait (app.record_run counts it there). As the functions of a run do, they name the organization for their own statement,
-- write under the caller's grants and policies, and clear the name.

-- Fixes what the notice says, unless an earlier try has; null when there is nothing to tell.
CREATE FUNCTION app.prepare_failure_notice(p_org uuid, p_workflow uuid, p_id text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  v_notice jsonb;
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.failure_notices n
  SET sending = coalesce(n.sending, jsonb_build_object('id', p_id, 'count', n.failed_count, 'runId', n.last_run_id,
    'error', n.last_error, 'at', now(), 'told', '[]'::jsonb))
  WHERE n.org_id = p_org AND n.workflow_id = p_workflow AND n.failed_count > 0
  RETURNING jsonb_build_object('sending', n.sending, 'attempts', n.attempts) INTO v_notice;
  PERFORM set_config('app.current_org_id', '', true);
  RETURN v_notice;
END $$;

-- Takes what the notice told off the count; nothing when it is another sender's by now.
CREATE FUNCTION app.settle_failure_notice(p_org uuid, p_workflow uuid, p_id text, p_pause integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.failure_notices n
  SET failed_count = n.failed_count - (n.sending ->> 'count')::integer, sending = NULL, attempts = 0,
    next_attempt_at = now() + make_interval(secs => p_pause)
  WHERE n.org_id = p_org AND n.workflow_id = p_workflow AND n.sending ->> 'id' = p_id;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Keeps the notice for another try, to those who do not have it yet.
CREATE FUNCTION app.postpone_failure_notice(p_org uuid, p_workflow uuid, p_id text, p_told text[], p_retry integer)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  UPDATE app.failure_notices n
  SET sending = jsonb_set(n.sending, '{told}', to_jsonb(p_told)), next_attempt_at = now() + make_interval(secs => p_retry)
  WHERE n.org_id = p_org AND n.workflow_id = p_workflow AND n.sending ->> 'id' = p_id;
  PERFORM set_config('app.current_org_id', '', true);
END $$;

-- Failures that nobody wants to hear of: of one workflow, or of all when it is null. Only while the settings are those that the
-- caller saw, as their updated_at says (null: there were none): under newer ones somebody may want to.
CREATE FUNCTION app.forget_failure_notices(p_org uuid, p_workflow uuid, p_seen timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM set_config('app.current_org_id', p_org::text, true);
  DELETE FROM app.failure_notices n
  WHERE n.org_id = p_org AND n.workflow_id = coalesce(p_workflow, n.workflow_id) AND NOT EXISTS (
    SELECT FROM app.failure_notice_settings s WHERE s.org_id = p_org AND s.updated_at IS DISTINCT FROM p_seen);
  PERFORM set_config('app.current_org_id', '', true);
END $$;

GRANT EXECUTE ON FUNCTION app.prepare_failure_notice(uuid, uuid, text) TO app_api;
GRANT EXECUTE ON FUNCTION app.settle_failure_notice(uuid, uuid, text, integer) TO app_api;
GRANT EXECUTE ON FUNCTION app.postpone_failure_notice(uuid, uuid, text, text[], integer) TO app_api;
GRANT EXECUTE ON FUNCTION app.forget_failure_notices(uuid, uuid, timestamptz) TO app_api;

CREATE INDEX org_mails_of_org ON app.org_mails (org_id, next_attempt_at);
GRANT USAGE, CREATE ON SCHEMA sys TO app_resolver;
SET LOCAL ROLE app_resolver;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Takes due mails of any organization, each for `p_lease` seconds: a sender that dies leaves them to the next one. By turns:
-- the first of each organization, then the second of each; p_busy names an organization once for each of its mails that the
-- caller has under way, which count as turns it had. One with a thousand mails must not hold up the others.
-- The default lets a program of the version before go on while it is replaced.
DROP FUNCTION sys.take_org_mails(integer, integer);
CREATE FUNCTION sys.take_org_mails(p_limit integer, p_lease integer, p_busy uuid[] DEFAULT '{}')
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH waiting AS (
    SELECT m.org_id, m.id, m.next_attempt_at, cardinality(array_positions(p_busy, m.org_id))
      + row_number() OVER (PARTITION BY m.org_id ORDER BY m.next_attempt_at) AS turn
    FROM app.org_mails m WHERE m.next_attempt_at <= now()),
  due AS (
    SELECT m.org_id, m.id FROM app.org_mails m JOIN waiting w ON w.org_id = m.org_id AND w.id = m.id
    WHERE m.next_attempt_at <= now()
    ORDER BY w.turn, w.next_attempt_at LIMIT p_limit FOR UPDATE OF m SKIP LOCKED)
  UPDATE app.org_mails m SET attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => p_lease)
  FROM due WHERE m.org_id = due.org_id AND m.id = due.id
  RETURNING m.org_id, m.id
$$;
GRANT EXECUTE ON FUNCTION sys.take_org_mails(integer, integer, uuid[]) TO app_api;
SET LOCAL ROLE app_owner;
REVOKE CREATE ON SCHEMA sys FROM app_resolver;
