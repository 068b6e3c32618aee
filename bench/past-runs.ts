import type { Client } from './client.ts';
import type { Stack } from './stack.ts';

const PORTION = 100_000;
const DAYS = 25;

/**
 * Fills the database with ended runs of a workflow, copies of one that was executed, with its steps and its timeline, over
 * the last weeks. Ids and times rise together, as they would have.
 */
export async function fillWithPastRuns(stack: Stack, client: Client, path: string, count: number): Promise<void> {
  const { admin } = stack;
  const { rows } = await admin.query<{ id: string }>(
    `SELECT id FROM app.workflow_runs WHERE org_id = $1 AND workflow_id = $2 AND status = 'succeeded' LIMIT 1`,
    [client.orgId, path.split('/')[2]],
  );
  const sample = rows[0]?.id;
  if (sample === undefined) throw new Error('there is no run to copy');
  // Rows that were right once need no second check.
  await admin.query(`SET session_replication_role = replica`);
  for (let from = 0; from < count; from += PORTION) {
    await admin.query(COPY_RUNS, [sample, from, Math.min(from + PORTION, count) - 1, count, DAYS]);
    process.stdout.write(`\r${from + PORTION} runs stored`);
  }
  process.stdout.write('\n');
  await admin.query(`RESET session_replication_role`);
  for (const table of ['workflow_runs', 'workflow_run_steps', 'workflow_run_events'])
    await admin.query(`VACUUM (ANALYZE) app.${table}`);
  await admin.query('CHECKPOINT');
}

/** One in a thousand failed. */
const COPY_RUNS = `
  WITH past AS MATERIALIZED (
    SELECT n, uuidv7(-age) AS id, now() - age AS at
    FROM generate_series($2::integer, $3::integer) n, LATERAL (SELECT ($4::integer - n) * ($5::integer * interval '1 day') / $4::integer AS age)
  ), runs AS (
    INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, state, input, output,
      attempt_count, max_attempts, requested_by_user_id, lease_token, next_sweep_at, event_count, created_at, started_at,
      finished_at)
    SELECT r.org_id, p.id, r.workflow_id, r.version, r.trigger_type, CASE WHEN p.n % 1000 = 0 THEN 'failed' ELSE r.status END,
      r.state, r.input, r.output, r.attempt_count, r.max_attempts, r.requested_by_user_id, r.lease_token, NULL,
      r.event_count, p.at, p.at, p.at + interval '10 ms'
    FROM app.workflow_runs r, past p WHERE r.id = $1
  ), steps AS (
    INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, attempt, input, output, started_at,
      finished_at, ordinal)
    SELECT s.org_id, p.id, s.step_key, s.type, s.status, s.attempt, s.input, s.output, p.at, p.at, s.ordinal
    FROM app.workflow_run_steps s, past p WHERE s.run_id = $1
  )
  INSERT INTO app.workflow_run_events (org_id, run_id, number, at, entries)
  SELECT e.org_id, p.id, e.number, p.at, e.entries FROM app.workflow_run_events e, past p WHERE e.run_id = $1`;
