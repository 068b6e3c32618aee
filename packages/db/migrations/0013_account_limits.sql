-- From which network a sign-in at a provider was begun, so that none can use up what is there for all. Null for attempts
-- that a version before this one began; they are gone after ten minutes.
ALTER TABLE app.oauth_flows ADD COLUMN network text CHECK (char_length(network) BETWEEN 1 AND 60);
CREATE INDEX oauth_flows_network ON app.oauth_flows (network);

-- For removing sessions long after they ended: revoked, or not used in time. An absolute end is never before the idle one.
CREATE INDEX auth_sessions_end ON app.auth_sessions (least(revoked_at, idle_expires_at));
