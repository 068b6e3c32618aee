-- Sample outputs that people pin to a step of a draft. Only tests of single steps read them, never a run.
CREATE TABLE app.workflow_pins (
  org_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  step_id text NOT NULL CHECK (char_length(step_id) BETWEEN 1 AND 64),
  output jsonb NOT NULL,
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, workflow_id, step_id),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE
);
ALTER TABLE app.workflow_pins ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_pins FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_pins FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.workflow_pins TO app_api;
