import type pg from 'pg';

export const ORGS = 1_000;
const RUNS_OF_AN_ORG = 1_000;

/**
 * A million runs of a thousand organizations in app.workflow_runs, under our policies, and the same rows in
 * plain.workflow_runs: same columns, checks, keys, indexes, trigger and grants, no row-level security. Foreign keys point to
 * the same parents. `admin` is a superuser on a freshly migrated database.
 */
export async function fillTables(admin: pg.Client): Promise<void> {
  // Filling checks nothing row by row: the rows are ours.
  await admin.query(`SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '256MB';
    SET maintenance_work_mem = '256MB'`);
  await admin.query(PARENTS, [ORGS]);
  await admin.query(RUNS, [RUNS_OF_AN_ORG]);
  await admin.query(COPY);
  const { rows } = await admin.query<{ name: string; definition: string }>(`
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = 'app.workflow_runs'::regclass AND contype = 'f'`);
  for (const { name, definition } of rows) {
    const here = definition.replace('REFERENCES app.workflow_runs', 'REFERENCES plain.workflow_runs');
    await admin.query(`ALTER TABLE plain.workflow_runs ADD CONSTRAINT ${name} ${here} NOT VALID`);
  }
  await admin.query('VACUUM ANALYZE app.workflow_runs');
  await admin.query('VACUUM ANALYZE plain.workflow_runs');
  await admin.query('RESET session_replication_role');
}

const PARENTS = `
  WITH who AS (INSERT INTO app.users (id, email) VALUES (uuidv7(), 'bench@example.com') RETURNING id),
  orgs AS (
    INSERT INTO app.organizations (id, slug, name)
    SELECT uuidv7(), 'org-' || n, 'Org' FROM generate_series(1, $1::integer) n RETURNING id),
  flows AS (
    INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
    SELECT id, uuidv7(), 'Flow', '{}', 1, 'published', now() FROM orgs RETURNING org_id, id)
  INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition)
  SELECT org_id, id, 1, '{}' FROM flows`;

/** In the order of time, as they would come, so that an organization's rows lie scattered over the table. */
const RUNS = `
  INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, input, output,
    attempt_count, next_sweep_at, created_at, started_at, finished_at)
  SELECT f.org_id, uuidv7(), f.id, 1, 'trigger.manual', 'succeeded', '{"total": 3, "name": "item"}', '{"total": 3}',
    1, NULL, t.at, t.at, t.at
  FROM generate_series(1, $1::integer) n, LATERAL (SELECT now() - n * interval '1 minute' AS at) t, app.workflows f`;

const COPY = `
  CREATE SCHEMA plain;
  CREATE TABLE plain.workflow_runs (LIKE app.workflow_runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)
    WITH (fillfactor = 80);
  INSERT INTO plain.workflow_runs SELECT * FROM app.workflow_runs;
  DO $$
  DECLARE definition text;
  BEGIN
    FOR definition IN SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'app.workflow_runs'::regclass LOOP
      EXECUTE replace(definition, 'ON app.', 'ON plain.');
    END LOOP;
  END $$;
  CREATE TRIGGER ended BEFORE UPDATE ON plain.workflow_runs FOR EACH ROW
    WHEN (OLD.status IN ('succeeded', 'failed', 'cancelled')) EXECUTE FUNCTION app.refuse_change_of_ended_run();
  GRANT USAGE ON SCHEMA plain TO app_api;
  GRANT SELECT, INSERT, DELETE ON plain.workflow_runs TO app_api`;
