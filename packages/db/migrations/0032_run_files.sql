-- Files of runs: what a step has received as a file, beside its JSON. A file belongs to one run, goes with it, and is written
-- piece by piece by the run's owner before the record that names it; a retry gets copies under the same ids.
CREATE TABLE app.workflow_run_files (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  id uuid NOT NULL,
  step_key text NOT NULL CHECK (char_length(step_key) <= 1000),
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
  content_type text NOT NULL CHECK (char_length(content_type) BETWEEN 1 AND 255),
  -- Null until all of it is stored: before that nobody may read it.
  size_bytes bigint CHECK (size_bytes >= 0),
  PRIMARY KEY (org_id, run_id, id),
  FOREIGN KEY (org_id, run_id) REFERENCES app.workflow_runs (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_run_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_files FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_files FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_run_files TO app_api;
GRANT SELECT, INSERT, UPDATE (size_bytes), DELETE ON app.workflow_run_files TO app_worker;

CREATE TABLE app.workflow_run_file_chunks (
  org_id uuid NOT NULL,
  run_id uuid NOT NULL,
  file_id uuid NOT NULL,
  -- From 0, without a gap; all but the last have 256 kB.
  number integer NOT NULL CHECK (number >= 0),
  data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 262144),
  PRIMARY KEY (org_id, run_id, file_id, number),
  FOREIGN KEY (org_id, run_id, file_id) REFERENCES app.workflow_run_files (org_id, run_id, id) ON DELETE CASCADE
);
-- Most files are compressed already.
ALTER TABLE app.workflow_run_file_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE app.workflow_run_file_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_run_file_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_run_file_chunks FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_run_file_chunks TO app_api, app_worker;
