/**
 * Child of the bench: what reading a run costs in Fastify and pg alone. No credential, no organization, no policy (the
 * login is the superuser's), no hook and no schema; one prepared autocommit query, and the same JSON.
 */
import Fastify from 'fastify';
import pg from 'pg';

const [databaseUrl = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: databaseUrl, max: 20, keepAlive: true, query_timeout: 20_000 });
const app = Fastify();

const READ = {
  name: 'read-run',
  text: `SELECT id, org_id AS "organizationId", workflow_id AS "workflowId", version, trigger_type AS "triggerType",
      status, attempt_count AS "attemptCount", max_attempts AS "maxAttempts", next_attempt_at AS "nextAttemptAt",
      retry_of_run_id AS "retryOfRunId", parent_run_id AS "parentRunId", requested_by_user_id AS "requestedByUserId", input,
      output, error,
      created_at AS "createdAt", started_at AS "startedAt", finished_at AS "finishedAt",
      (SELECT coalesce(json_agg(json_build_object('stepId', s.step_key, 'type', s.type, 'status', s.status,
          'attempt', s.attempt, 'input', s.input, 'output', s.output, 'error', s.error,
          'startedAt', to_char(s.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'finishedAt', to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
          ORDER BY s.started_at, s.ordinal), '[]')
        FROM app.workflow_run_steps s WHERE s.org_id = r.org_id AND s.run_id = r.id) AS steps
    FROM app.workflow_runs r WHERE org_id = $1 AND id = $2 AND workflow_id = $3`,
};

app.get<{ Params: { orgId: string; workflowId: string; runId: string } }>(
  '/v1/orgs/:orgId/workflows/:workflowId/runs/:runId',
  async ({ params }) => {
    const { rows } = await pool.query({ ...READ, values: [params.orgId, params.runId, params.workflowId] });
    const { steps, ...run } = rows[0];
    return { run, steps };
  },
);

process.once('disconnect', () => process.exit(0));
process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }));
