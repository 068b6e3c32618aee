import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { type ClaimedRun, claimRun } from '@millrace/db/run-ownership';
import { createTestDatabase, type TestDatabase } from '@millrace/db/testing';
import { type SeededTenant, seedQueuedRun, seedTenant } from '@millrace/db/testing-rows';
import { type FaultProxy, startFaultProxy } from '@millrace/queue/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../testing.ts';
import { createLeases, LEASE_MS, type Lease } from './lease.ts';

const RUN_COUNT = 40;

let database: TestDatabase;
let proxy: FaultProxy;
let db: Database;
let admin: Database;
let tenant: SeededTenant;
let statementCount = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  const viaProxy = new URL(database.workerUrl);
  proxy = await startFaultProxy(Number(viaProxy.port));
  viaProxy.port = String(proxy.port);
  const options = { poolSize: 20, applicationName: 'lease-test', onError: () => {} };
  db = connectDatabase({ ...options, url: viaProxy.href });
  db.pool.on('acquire', () => {
    statementCount += 1;
  });
  admin = connectDatabase({ ...options, poolSize: 2, url: database.adminUrl });
  tenant = await seedTenant(admin.pool);
});
afterAll(async () => {
  await proxy.stop();
  await Promise.all([closeDatabase(db), closeDatabase(admin)]);
  await database.drop();
});
beforeEach(() => admin.pool.query(`DELETE FROM app.workflow_runs WHERE status = 'running'`));

async function claim(): Promise<ClaimedRun> {
  const runId = await seedQueuedRun(admin.pool, tenant);
  const answer = await claimRun(db, { orgId: tenant.orgId, runId, leaseMs: LEASE_MS });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

async function keepMany(): Promise<Lease[]> {
  const leases = createLeases(db);
  const runs = await Promise.all(Array.from({ length: RUN_COUNT }, claim));
  return runs.map((run) => leases.keep(run, performance.now()));
}

/** The ends of all leases, as PostgreSQL has them. */
async function leaseEnds(): Promise<number[]> {
  const { rows } = await admin.pool.query(
    `SELECT DISTINCT extract(epoch FROM lease_until)::float8 AS until FROM app.workflow_runs WHERE status = 'running'`,
  );
  return rows.map(({ until }) => until);
}

async function untilAllKept(): Promise<number> {
  const [before = 0] = (await leaseEnds()).toSorted((a, b) => b - a);
  let ends: number[] = [];
  await eventually(
    async () => {
      ends = await leaseEnds();
      return ends.length === 1 && Number(ends[0]) > before;
    },
    () => `all leases were kept at once after ${before}: ${ends}`,
  );
  return Number(ends[0]);
}

test('40 runs are kept by one statement a beat, which starts all their leases anew', async () => {
  const leases = await keepMany();
  statementCount = 0;
  const startedAt = performance.now();
  for (let beat = 0; beat < 3; beat += 1) await untilAllKept();
  expect(statementCount).toBeGreaterThanOrEqual(3);
  expect(statementCount).toBeLessThanOrEqual((performance.now() - startedAt) / 500 + 1);
  for (const lease of leases) lease.stop();
});

test('no lease is lost to a PostgreSQL that says nothing for 3 s, though the connections from before stay dead', async () => {
  const leases = await keepMany();
  await untilAllKept();
  await proxy.setFault({ type: 'black-hole' });
  const brokenAt = performance.now();
  await eventually(
    () => performance.now() - brokenAt >= 3_000,
    () => 'the fault lasts',
  );
  await proxy.setFault({ type: 'none' });
  await untilAllKept();
  for (const lease of leases) {
    expect(lease.signal.aborted).toBe(false);
    expect(lease.remainingMs()).toBeGreaterThan(0);
    lease.stop();
  }
});

test('a run that this process claims anew is lost to its claim before', async () => {
  const leases = createLeases(db);
  const run = await claim();
  const first = leases.keep(run, performance.now());
  const second = leases.keep({ ...run, leaseToken: run.leaseToken + 1 }, performance.now());
  expect(first.signal.aborted).toBe(true);
  expect(second.signal.aborted).toBe(false);
  first.stop();
  let rings = 0;
  second.onSignals(() => {
    rings += 1;
  });
  leases.ring(run.runId);
  expect(rings).toBe(1);
  second.stop();
});
