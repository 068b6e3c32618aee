import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

/** Among many ended runs, and with a backlog at the last ANALYZE, which misleads the planner most. */

const ENDED = 20_000;
const HELD = 2_000;
const WORKING = 2_000;

let database: TestDatabase;
/** Of one connection: transactions are made of its queries. */
let admin: pg.Pool;
let tenant: SeededTenant;
let admitted: string;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 1 });
  tenant = await seedTenant(admin);
  await admin.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, status, held_by, finished_at, next_sweep_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', CASE WHEN n > $3 THEN 'queued' ELSE 'succeeded' END,
       CASE WHEN n > $3 THEN 'organization' END, CASE WHEN n <= $3 THEN now() END, NULL
     FROM generate_series(1, $3::integer + $4::integer) AS n`,
    [tenant.orgId, tenant.workflowId, ENDED, HELD],
  );
  const { rows } = await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type)
     VALUES ($1, uuidv7(), $2, 1, 'trigger.manual') RETURNING id`,
    [tenant.orgId, tenant.workflowId],
  );
  admitted = rows[0]?.id;
  await admin.query('ANALYZE app.workflow_runs');
  await admin.query('SET plan_cache_mode = force_generic_plan');
});
afterAll(async () => {
  await admin.end();
  await database.drop();
});

/** What this connection has read and not reported yet. */
async function countRead(): Promise<number> {
  const { rows } = await admin.query(
    `SELECT (SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = t.oid)
       + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = t.oid) AS count
     FROM (SELECT 'app.workflow_runs'::regclass AS oid) AS t`,
  );
  return Number(rows[0]?.count);
}

/** Rows of runs, and entries of their indexes, that a call looks at; what it does is taken back. */
async function readBy(role: string, call: string, values: unknown[]): Promise<number> {
  await admin.query('BEGIN');
  try {
    await admin.query(`SET LOCAL ROLE ${role}`);
    await admin.query(`SELECT set_config('app.current_org_id', $1, true)`, [tenant.orgId]);
    const before = await countRead();
    await admin.query(`SELECT * FROM ${call}`, values);
    return (await countRead()) - before;
  } finally {
    await admin.query('ROLLBACK');
  }
}

function expectFew(counts: Record<string, number>, most: number): void {
  for (const [call, count] of Object.entries(counts))
    expect({ call, count, isFew: count > 0 && count < most }).toEqual({ call, count, isFew: true });
}

/** Runs that are at work, and a child of one: unknown to the planner, as they are whenever many begin. */
async function begin(count: number): Promise<{ runId: string; childId: string }> {
  const insert = `INSERT INTO app.workflow_runs
    (org_id, id, workflow_id, version, trigger_type, status, lease_token, lease_until, parent_run_id, parent_step_key, is_awaited)`;
  const { rows } = await admin.query(
    `${insert} SELECT $1, uuidv7(), $2, 1, 'trigger.manual', 'running', 1, now() + interval '1 hour', NULL, NULL, false
     FROM generate_series(1, $3::integer) RETURNING id`,
    [tenant.orgId, tenant.workflowId, count],
  );
  const runId = rows[count / 2]?.id;
  const child = await admin.query(
    `${insert} VALUES ($1, uuidv7(), $2, 1, 'trigger.manual', 'running', 1, now() + interval '1 hour', $3, 's', true)
     RETURNING id`,
    [tenant.orgId, tenant.workflowId, runId],
  );
  return { runId, childId: child.rows[0]?.id };
}

const endOf = (runId: string) => ({
  orgId: tenant.orgId,
  workflowId: tenant.workflowId,
  runId,
  recordId: runId,
  leaseToken: 1,
  leaseMs: 60_000,
  status: 'succeeded',
  attemptCount: 1,
  release: true,
});

it('whoever claims, admits or stores a run looks at as many runs as a window has, however many there are', async () => {
  const claims = JSON.stringify([{ orgId: tenant.orgId, runId: admitted, leaseMs: 60_000 }]);
  const counts = {
    claim: await readBy('app_worker', 'app.claim_runs($1::jsonb, 32)', [claims]),
    admit: await readBy('app_worker', 'app.admit_runs($1, 32)', [tenant.orgId]),
    room: await readBy('app_api', 'app.queue_room($1, 1, 32, 100000)', [tenant.orgId]),
  };
  expectFew(counts, 400);
});

it('a record looks at the run it is about, and its parent, however many are at work', async () => {
  await admin.query('DELETE FROM app.workflow_runs WHERE finished_at IS NULL');
  await admin.query('VACUUM ANALYZE app.workflow_runs');
  await admin.query('DISCARD PLANS');
  const { runId, childId } = await begin(WORKING);
  const counts = {
    record: await readBy('app_worker', 'app.record_runs($1::jsonb)', [JSON.stringify([endOf(runId)])]),
    childsRecord: await readBy('app_worker', 'app.record_runs($1::jsonb)', [JSON.stringify([endOf(childId)])]),
    heartbeat: await readBy('app_worker', 'app.heartbeat_runs($1::jsonb)', [JSON.stringify([endOf(runId)])]),
  };
  expectFew(counts, 20);
});
