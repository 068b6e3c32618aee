CREATE TABLE app.workflows (
  org_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 500),
  draft_definition jsonb NOT NULL,
  revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
  version integer NOT NULL DEFAULT 0 CHECK (version >= 0),
  published_revision integer,
  status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published')),
  is_enabled boolean NOT NULL DEFAULT true,
  created_by_user_id uuid REFERENCES app.users (id),
  published_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  CHECK ((status = 'draft') = (version = 0))
);
CREATE INDEX workflows_list ON app.workflows (org_id, created_at DESC, id DESC);
ALTER TABLE app.workflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflows FOR ALL TO app_api
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.workflows TO app_api;

-- A published version is what runs were started with (R5): it can be added, read, and go with its workflow, not changed.
CREATE TABLE app.workflow_versions (
  org_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  definition jsonb NOT NULL,
  note text CHECK (char_length(note) <= 5000),
  published_by_user_id uuid REFERENCES app.users (id),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, workflow_id, version),
  FOREIGN KEY (org_id, workflow_id) REFERENCES app.workflows (org_id, id) ON DELETE CASCADE
);
CREATE TRIGGER immutable BEFORE UPDATE ON app.workflow_versions
  FOR EACH ROW EXECUTE FUNCTION app.refuse_change();
ALTER TABLE app.workflow_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.workflow_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.workflow_versions FOR ALL TO app_api, app_worker
  USING (org_id = (SELECT app.current_org_id())) WITH CHECK (org_id = (SELECT app.current_org_id()));
GRANT SELECT, INSERT ON app.workflow_versions TO app_api;
GRANT SELECT ON app.workflow_versions TO app_worker;
