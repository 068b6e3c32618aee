-- Which runs of an organization have not ended, among a million that have. Whoever ends a run writes all of its index entries
-- anyhow, since next_sweep_at goes then. No such index may name the status: a claim changes it, and would no longer be HOT.
CREATE INDEX workflow_runs_open ON app.workflow_runs (org_id, created_at DESC, id DESC) WHERE finished_at IS NULL;
