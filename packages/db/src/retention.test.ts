import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { findOrgsWithOldRuns, purgeOldRuns } from './retention.ts';
import { claimRun, recordRun } from './run-ownership.ts';
import { insertQueuedRun } from './runs.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

const DEFAULT_DAYS = 30;

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 3 });
  const options = { poolSize: 4, applicationName: 'retention-test', onError: () => {} };
  api = connectDatabase({ url: database.apiUrl, ...options });
  worker = connectDatabase({ url: database.workerUrl, ...options });
  tenant = await seedTenant(admin);
});

beforeEach(async () => {
  await admin.query('DELETE FROM app.workflow_runs');
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

/** Runs that ended, or were queued, so many days ago, each with two steps and a record. */
async function seedRuns(count: number, status: string, days: number, of = tenant): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>(
    `WITH runs AS (
       INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, event_count, created_at,
         finished_at, next_sweep_at)
       SELECT $1, gen_random_uuid(), $2, 1, 'trigger.manual', $4, 1, now() - $5 * interval '1 day',
         CASE WHEN $4 IN ('succeeded', 'failed', 'cancelled') THEN now() - $5 * interval '1 day' + n * interval '1 ms' END, NULL
       FROM generate_series(1, $3::integer) n RETURNING id
     ), steps AS (
       INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status)
       SELECT $1, id, key, 'transform', 'succeeded' FROM runs, unnest('{a,b}'::text[]) key
     ), events AS (
       INSERT INTO app.workflow_run_events (org_id, run_id, number, entries) SELECT $1, id, 1, '[]' FROM runs
     )
     SELECT id FROM runs`,
    [of.orgId, of.workflowId, count, status, days],
  );
  return rows.map(({ id }) => id);
}

async function purgeAll(days = DEFAULT_DAYS): Promise<number[]> {
  const portions: number[] = [];
  for (;;) {
    const count = await purgeOldRuns(api, { orgId: tenant.orgId, days });
    if (!count) return portions;
    portions.push(count);
  }
}

async function idsOf(table = 'workflow_runs', column = 'id'): Promise<string[]> {
  const { rows } = await admin.query(`SELECT DISTINCT ${column} AS id FROM app.${table} WHERE org_id = $1`, [
    tenant.orgId,
  ]);
  return rows.map(({ id }) => id).toSorted();
}

describe('old runs', () => {
  it('that ended go with their steps, timelines and values; nothing that has not ended ever does', async () => {
    const old = await seedRuns(3, 'succeeded', 31);
    await admin.query(
      `INSERT INTO app.workflow_run_blobs (org_id, run_id, step_key, field, size_bytes, data) VALUES ($1, $2, 'a', 'input', 9, 'x')`,
      [tenant.orgId, old[0]],
    );
    await seedRuns(1, 'failed', 31);
    await seedRuns(1, 'cancelled', 400);
    const kept = [
      ...(await seedRuns(2, 'succeeded', 29)),
      ...(await seedRuns(1, 'queued', 400)),
      ...(await seedRuns(1, 'running', 400)),
      ...(await seedRuns(1, 'waiting', 400)),
    ].toSorted();
    expect(await purgeAll()).toEqual([5]);
    expect(await idsOf()).toEqual(kept);
    for (const table of ['workflow_run_steps', 'workflow_run_events'])
      expect(await idsOf(table, 'run_id')).toEqual(kept);
    expect(await idsOf('workflow_run_blobs', 'run_id')).toEqual([]);
  });

  it('go in portions, the oldest first', async () => {
    const newer = await seedRuns(500, 'succeeded', 31);
    await seedRuns(400, 'succeeded', 40);
    // A run, two steps and a record each: 2,000 rows.
    expect(await purgeOldRuns(api, { orgId: tenant.orgId, days: DEFAULT_DAYS })).toBe(500);
    const left = await idsOf();
    expect(left).toHaveLength(400);
    expect(left.every((id) => newer.includes(id))).toBe(true);
    expect(await purgeAll()).toEqual([400]);
  });

  it('that are large go in portions of bytes, one of them at least', async () => {
    const runs = await seedRuns(3, 'succeeded', 31);
    await admin.query(
      `INSERT INTO app.workflow_run_blobs (org_id, run_id, step_key, field, size_bytes, data)
       SELECT $1, run, 'a', 'output', 9, convert_to(repeat('x', 9 * 1024 * 1024), 'UTF8') FROM unnest($2::uuid[]) run`,
      [tenant.orgId, runs],
    );
    expect(await purgeAll()).toEqual([1, 1, 1]);
  });

  it('that a run goes on from stay until that has ended, and leave it without the link then', async () => {
    const [ended = ''] = await seedRuns(1, 'failed', 31);
    const [live = ''] = await seedRuns(1, 'queued', 31);
    const [old = ''] = await seedRuns(1, 'failed', 32);
    const link = 'UPDATE app.workflow_runs SET retry_of_run_id = $2 WHERE id = $1';
    await admin.query(link, [live, ended]);
    const [recent = ''] = await seedRuns(1, 'succeeded', 1);
    await admin.query(link, [recent, old]);
    expect(await purgeAll()).toEqual([1]);
    expect(await idsOf()).toEqual([ended, live, recent].toSorted());
    const { rows } = await admin.query(
      'SELECT id, retry_of_run_id AS origin FROM app.workflow_runs WHERE id = ANY ($1)',
      [[live, recent]],
    );
    expect(new Map(rows.map(({ id, origin }) => [id, origin]))).toEqual(
      new Map([
        [live, ended],
        [recent, null],
      ]),
    );
  });

  it('that started a run stay until it has ended, however far down, and nobody who works on that waits', async () => {
    const [first = '', second = ''] = await seedRuns(2, 'succeeded', 31);
    const [live = ''] = await seedRuns(1, 'running', 31);
    const link = `UPDATE app.workflow_runs SET parent_run_id = $2, parent_step_key = 'call', is_awaited = false WHERE id = $1`;
    await admin.query(link, [second, first]);
    await admin.query(link, [live, second]);
    const client = await admin.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM app.workflow_runs WHERE id = $1 FOR UPDATE', [live]);
    expect(await purgeAll()).toEqual([]);
    await client.query(`UPDATE app.workflow_runs SET status = 'succeeded', finished_at = now() WHERE id = $1`, [live]);
    await client.query('COMMIT');
    client.release();
    expect(await purgeAll()).toEqual([2]);
    expect(await idsOf()).toEqual([live]);
  });

  it('that somebody holds are left for another time, and nobody waits for them', async () => {
    const [held] = await seedRuns(1, 'succeeded', 40);
    await seedRuns(2, 'succeeded', 31);
    const client = await admin.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM app.workflow_runs WHERE id = $1 FOR UPDATE', [held]);
    expect(await purgeAll()).toEqual([2]);
    await client.query('ROLLBACK');
    client.release();
    expect(await idsOf()).toEqual([held]);
  });

  it('are removed by one process at a time', async () => {
    await seedRuns(1, 'succeeded', 40);
    const client = await admin.connect();
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock(7303027)');
    expect(await findOrgsWithOldRuns(api, DEFAULT_DAYS, 10)).toEqual([]);
    expect(await purgeOldRuns(api, { orgId: tenant.orgId, days: DEFAULT_DAYS })).toBeNull();
    await client.query('ROLLBACK');
    client.release();
    expect(await purgeAll()).toEqual([1]);
  });

  it('are those that are older than their own organization keeps them', async () => {
    const other = await seedTenant(admin);
    await admin.query('DELETE FROM app.run_retention_settings WHERE org_id = $1', [other.orgId]);
    await admin.query('UPDATE app.run_retention_settings SET days = 50 WHERE org_id = $1', [tenant.orgId]);
    await seedRuns(1, 'succeeded', 40);
    await seedRuns(1, 'succeeded', 40, other);
    expect(await findOrgsWithOldRuns(api, DEFAULT_DAYS, 10)).toEqual([{ orgId: other.orgId, days: DEFAULT_DAYS }]);
    await admin.query('UPDATE app.run_retention_settings SET days = 7 WHERE org_id = $1', [tenant.orgId]);
    const due = await findOrgsWithOldRuns(api, DEFAULT_DAYS, 10);
    expect(due).toHaveLength(2);
    expect(due).toContainEqual({ orgId: tenant.orgId, days: 7 });
  });
});

it('removes old runs while others are accepted, claimed and finished, none of which is lost', async () => {
  await seedRuns(3_000, 'succeeded', 31);
  const { orgId, workflowId } = tenant;
  const own = { workflowId, version: 1, triggerType: 'trigger.manual', maxAttempts: 1, requestedByUserId: null };
  const finished: string[] = [];
  let isPurging = true;
  const work = async () => {
    while (isPurging) {
      const { id: runId } = await withOrg(api, orgId, (tx) => insertQueuedRun(tx, { ...own, id: newId() }));
      const claim = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
      if (claim.status !== 'claimed') throw new Error(claim.status);
      const { leaseToken } = claim.run;
      const step = { stepKey: 'a', type: 'transform', status: 'succeeded', attempt: 1, output: 1 } as const;
      const ids = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: 60_000 };
      const end = { status: 'succeeded', nextAttemptAt: null, attemptCount: 1, release: true } as const;
      expect(await recordRun(worker, { ...ids, ...end, steps: [step], entries: [{ type: 'run.succeeded' }] })).toBe(
        'recorded',
      );
      finished.push(runId);
    }
  };
  const workers = [work(), work()];
  const portions = await purgeAll();
  isPurging = false;
  await Promise.all(workers);
  expect(portions.reduce((sum, count) => sum + count)).toBe(3_000);
  expect(finished.length).toBeGreaterThan(2);
  expect(await idsOf()).toEqual(finished.toSorted());
});

it('finds what is to go by the index, however many runs there are', async () => {
  await seedRuns(2_000, 'succeeded', 1);
  await seedRuns(5, 'succeeded', 40);
  await seedQueuedRun(admin, tenant);
  await admin.query('ANALYZE app.workflow_runs');
  const { rows } = await admin.query(
    `EXPLAIN SELECT id FROM app.workflow_runs WHERE org_id = $1 AND finished_at < now() - interval '30 days'
     ORDER BY finished_at LIMIT 500 FOR UPDATE SKIP LOCKED`.replace('$1', `'${tenant.orgId}'`),
  );
  expect(JSON.stringify(rows)).toContain('workflow_runs_ended');
});
