import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { isDatabaseTransient, sqlStateOf } from './failures.ts';
import { type ClaimedRun, claimRun, heartbeatRuns, type RunRecord, recordRun } from './run-ownership.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { untilLockWaits } from './testing-locks.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

/** Claims and records of many runs at once share their way to the database, and nothing else. */

const RUN_COUNT = 200;
const LEASE_MS = 60_000;

let database: TestDatabase;
let admin: pg.Pool;
let worker: Database;
let tenants: SeededTenant[];
let callCount = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  worker = connectDatabase({ url: database.workerUrl, poolSize: 8, applicationName: 'batches', onError: () => {} });
  worker.pool.on('acquire', () => {
    callCount += 1;
  });
  tenants = [await seedTenant(admin), await seedTenant(admin), await seedTenant(admin)];
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(worker)]);
  await database.drop();
});

async function claimMany(count = RUN_COUNT): Promise<ClaimedRun[]> {
  const seeded = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const tenant = tenants[index % tenants.length] ?? (await seedTenant(admin));
      return { orgId: tenant.orgId, runId: await seedQueuedRun(admin, tenant) };
    }),
  );
  callCount = 0;
  const claims = await Promise.all(seeded.map((run) => claimRun(worker, { ...run, leaseMs: LEASE_MS })));
  return claims.map((claim, index) => {
    if (claim.status !== 'claimed') throw new Error(`expected a claim, got ${claim.status}`);
    expect(claim.run).toMatchObject(seeded[index] ?? {});
    return claim.run;
  });
}

function recordOf(run: ClaimedRun, change: Partial<RunRecord> = {}): RunRecord {
  const { orgId, runId, workflowId, leaseToken } = run;
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS };
  const base = { ...own, nextAttemptAt: null, attemptCount: 1 };
  const step = { stepKey: 'one', type: 'transform', status: 'succeeded', attempt: 1, output: runId } as const;
  return { ...base, status: 'running', state: { runId }, steps: [step], release: false, ...change };
}

async function stored(run: ClaimedRun): Promise<{ state: unknown; output: unknown }> {
  const { rows } = await admin.query(
    `SELECT r.state, s.output FROM app.workflow_runs r
     LEFT JOIN app.workflow_run_steps s ON s.org_id = r.org_id AND s.run_id = r.id
     WHERE r.org_id = $1 AND r.id = $2`,
    [run.orgId, run.runId],
  );
  return rows[0];
}

it('claims and records 200 runs of three organizations in a few calls, each with its own answer and its own rows', async () => {
  const runs = await claimMany();
  expect(callCount).toBeLessThanOrEqual(4);
  callCount = 0;
  const outcomes = await Promise.all(
    runs.map((run, index) => recordRun(worker, recordOf(run, index % 10 === 0 ? { leaseToken: 99 } : {}))),
  );
  expect(callCount).toBeLessThanOrEqual(4);
  expect(outcomes).toEqual(runs.map((_, index) => (index % 10 === 0 ? 'fenced' : 'recorded')));
  for (const [index, run] of runs.entries()) {
    const isFenced = index % 10 === 0;
    expect(await stored(run)).toEqual(
      isFenced ? { state: null, output: null } : { state: { runId: run.runId }, output: run.runId },
    );
  }
});

it('fails the record that the database refuses, alone', async () => {
  const runs = await claimMany(20);
  const outcomes = await Promise.allSettled(
    runs.map((run, index) => recordRun(worker, recordOf(run, index === 7 ? { attemptCount: 2 ** 40 } : {}))),
  );
  expect(outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([7]);
  const refused = outcomes[7];
  expect(refused?.status === 'rejected' && sqlStateOf(refused.reason)).toBe('22003');
  for (const [index, run] of runs.entries()) {
    expect((await stored(run)).state).toEqual(index === 7 ? null : { runId: run.runId });
  }
});

it('leaves all records of a call to be tried again when PostgreSQL cancels the statement', async () => {
  const runs = await claimMany(10);
  const [first] = runs;
  const holder = await admin.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM app.workflow_runs WHERE id = $1 FOR UPDATE', [first?.runId]);
    const outcomes = Promise.allSettled(runs.map((run) => recordRun(worker, recordOf(run))));
    await cancelWaiting();
    for (const outcome of await outcomes) {
      expect(outcome.status === 'rejected' && isDatabaseTransient(outcome.reason)).toBe(true);
    }
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
  for (const run of runs) expect((await stored(run)).state).toBeNull();
  const again = await Promise.all(runs.map((run) => recordRun(worker, recordOf(run))));
  expect(new Set(again)).toEqual(new Set(['recorded']));
});

async function cancelWaiting(): Promise<void> {
  await untilLockWaits(admin, 'app_worker');
  await admin.query(
    `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
     WHERE usename = 'app_worker' AND datname = current_database() AND wait_event_type = 'Lock'`,
  );
}

/** What `work` answers when somebody changes the run, by `change`, between its first look at the run and its own turn. */
async function whileItChanges<T>(runId: string, change: string, work: () => Promise<T>): Promise<T> {
  const holder = await admin.connect();
  try {
    await holder.query('BEGIN');
    await holder.query(`UPDATE app.workflow_runs SET ${change} WHERE id = $1`, [runId]);
    const answer = work();
    await untilLockWaits(admin, 'app_worker');
    await holder.query('COMMIT');
    return await answer;
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
}

it('what changes while a call waits for it is claimed and recorded as it is then', async () => {
  const [tenant] = tenants as [SeededTenant];
  const { orgId } = tenant;
  const [told, ended] = [await seedQueuedRun(admin, tenant), await seedQueuedRun(admin, tenant)];
  const claim = (runId: string) => () => claimRun(worker, { orgId, runId, leaseMs: LEASE_MS });
  const claimed = await whileItChanges(told, 'signals_sent = 1', claim(told));
  expect(claimed).toMatchObject({ status: 'claimed', run: { runId: told, hasSignals: true, leaseToken: 1 } });
  const gone = await whileItChanges(ended, "status = 'cancelled', finished_at = now()", claim(ended));
  expect(gone.status).toBe('gone');

  const [run] = (await claimMany(1)) as [ClaimedRun];
  const pause = () => recordRun(worker, recordOf(run, { status: 'waiting', release: true }));
  expect(await whileItChanges(run.runId, 'signals_sent = 1', pause)).toBe('unread');
  expect(await whileItChanges(run.runId, 'lease_token = 2', pause)).toBe('fenced');
});

it('takes what stands twice in one call one after the other', async () => {
  const [tenant] = tenants as [SeededTenant];
  const claim = { orgId: tenant.orgId, runId: await seedQueuedRun(admin, tenant), leaseMs: LEASE_MS };
  const claims = await worker.pool.query('SELECT number, outcome FROM app.claim_runs($1::jsonb) ORDER BY 1', [
    JSON.stringify([claim, claim]),
  ]);
  expect(claims.rows).toEqual([
    { number: 1, outcome: 'claimed' },
    { number: 2, outcome: 'busy' },
  ]);
  const [run] = (await claimMany(1)) as [ClaimedRun];
  const records = [recordOf(run, { state: 'first' }), recordOf(run, { state: 'second' })];
  const outcomes = await worker.pool.query('SELECT number, outcome FROM app.record_runs($1::jsonb) ORDER BY 1', [
    JSON.stringify(records),
  ]);
  expect(outcomes.rows.map(({ outcome }) => outcome)).toEqual(['recorded', 'recorded']);
  expect((await stored(run)).state).toBe('second');
});

it('never lets heartbeats and records of the same runs wait for each other in a circle', async () => {
  const other = await seedTenant(admin);
  const { rows } = await admin.query<{ workflow: string }>(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     SELECT org_id, gen_random_uuid(), 'Flow ' || n, draft_definition, 1, 'published', now()
     FROM app.workflows, generate_series(1, 8) AS n WHERE org_id = $1 RETURNING id AS workflow`,
    [other.orgId],
  );
  await admin.query(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition)
     SELECT org_id, id, 1, '{}' FROM app.workflows WHERE org_id = $1 AND name LIKE 'Flow %'`,
    [other.orgId],
  );
  const runs: ClaimedRun[] = [];
  for (let index = 0; index < 40; index += 1) {
    const workflowId = rows[index % rows.length]?.workflow ?? '';
    const runId = await seedQueuedRun(admin, { ...other, workflowId });
    const claim = await claimRun(worker, { orgId: other.orgId, runId, leaseMs: LEASE_MS });
    if (claim.status === 'claimed') runs.push(claim.run);
  }
  expect(runs).toHaveLength(40);
  const deadlocks = async () =>
    (await admin.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')).rows[0].deadlocks;
  const before = await deadlocks();
  const leases = runs.map((run) => ({ ...run, leaseMs: LEASE_MS }));
  const beats = async () => {
    for (let round = 0; round < 60; round += 1) await heartbeatRuns(worker, leases);
  };
  const records = async () => {
    for (let round = 0; round < 60; round += 1) await Promise.all(runs.map((run) => recordRun(worker, recordOf(run))));
  };
  await Promise.all([beats(), beats(), records()]);
  await admin.query('SELECT pg_stat_force_next_flush()');
  expect(await deadlocks()).toBe(before);
});
