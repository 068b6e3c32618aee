-- Planners believe that "queued" and "held by nobody" have nothing to do with each other. With a backlog of held runs at the last
-- ANALYZE they expect thousands of admitted ones, and read the whole table to find a few: 17 ms among 68,000 runs, at
-- every claim. What these ask for stands in small partial indexes, always.
ALTER FUNCTION app.window_room(uuid, integer) SET enable_seqscan = off;
ALTER FUNCTION app.queue_room(uuid, integer, integer, integer) SET enable_seqscan = off;
ALTER FUNCTION app.queue_state(uuid, integer) SET enable_seqscan = off;
ALTER FUNCTION app.admit_runs(uuid, integer) SET enable_seqscan = off;
ALTER FUNCTION app.claim_runs(jsonb, integer) SET enable_seqscan = off;
ALTER FUNCTION app.fill_places(uuid, uuid, text) SET enable_seqscan = off;
ALTER FUNCTION app.enter_concurrency(uuid, uuid, uuid, bigint, text, integer, text) SET enable_seqscan = off;
