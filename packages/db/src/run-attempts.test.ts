import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import {
  abandonAttempt,
  type CollectedAttempt,
  collectAttempts,
  endAttempt,
  forgetAttempts,
  type HeldAttempt,
  keepAttempts,
  takeAttempt,
} from './run-attempts.ts';
import { type ClaimedRun, claimRun, recordRun } from './run-ownership.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

/** Who may execute an attempt that the owner of a run has offered. */

const LEASE_MS = 60_000;
const large = { text: 'x'.repeat(100_000) };

let database: TestDatabase;
let admin: pg.Pool;
let worker: Database;
let tenant: SeededTenant;
let run: ClaimedRun;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  worker = connectDatabase({ url: database.workerUrl, poolSize: 4, applicationName: 'attempts', onError: () => {} });
  tenant = await seedTenant(admin);
});
beforeEach(async () => {
  run = await claim(await seedQueuedRun(admin, tenant));
  await record('running', { input: { n: 1 } });
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(worker)]);
  await database.drop();
});

async function claim(runId: string): Promise<ClaimedRun> {
  const claimed = await claimRun(worker, { orgId: tenant.orgId, runId, leaseMs: LEASE_MS });
  if (claimed.status !== 'claimed') throw new Error(`expected a claim, got ${claimed.status}`);
  return claimed.run;
}

async function record(status: 'running' | 'succeeded', rest: object = {}): Promise<void> {
  const { orgId, runId, workflowId, leaseToken } = run;
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS, state: {} };
  const step = { stepKey: 'one', type: 'http.request', status, attempt: 1, ...rest } as const;
  await recordRun(worker, {
    ...{ ...own, status: 'running', nextAttemptAt: null, attemptCount: 1, steps: [step], release: false },
  });
}

function offered(change: Partial<HeldAttempt> = {}): HeldAttempt {
  const { orgId, runId, leaseToken } = run;
  return { orgId, runId, leaseToken, stepKey: 'one', attempt: 1, executorId: newId(), leaseMs: 10_000, ...change };
}

function collect(change: object = {}): Promise<CollectedAttempt[]> {
  return collectAttempts(worker, { ...run, done: [], withdrawn: [], mostEnded: 20, ...change });
}

const key = { stepKey: 'one', attempt: 1 };

/** As if the lease of whoever has the attempt had run out. */
async function expire(): Promise<void> {
  await admin.query(`UPDATE app.workflow_run_attempts SET lease_until = now() - interval '1 s' WHERE run_id = $1`, [
    run.runId,
  ]);
}

it('gives an attempt to one worker, with the input of the step and no longer than the lease of its owner', async () => {
  const taken = await Promise.all(Array.from({ length: 8 }, () => takeAttempt(worker, offered({ leaseMs: 600_000 }))));
  const won = taken.filter((one) => one !== null);
  expect(won).toEqual([
    { workflowId: run.workflowId, version: run.version, input: { n: 1 }, remainingMs: expect.any(Number) },
  ]);
  expect(won[0]?.remainingMs).toBeLessThanOrEqual(LEASE_MS);
  expect(await collect()).toEqual([{ ...key, status: 'taken' }]);
});

it('gives nobody an attempt of another owner, number, organization or of a step that has ended', async () => {
  expect(await takeAttempt(worker, offered({ leaseToken: run.leaseToken + 1 }))).toBeNull();
  expect(await takeAttempt(worker, offered({ attempt: 2 }))).toBeNull();
  expect(await takeAttempt(worker, offered({ stepKey: 'two' }))).toBeNull();
  expect(await takeAttempt(worker, offered({ orgId: (await seedTenant(admin)).orgId }))).toBeNull();
  await record('succeeded', { output: 1 });
  expect(await takeAttempt(worker, offered())).toBeNull();
});

it('lets a next owner offer the attempt of an earlier one anew, whatever became of that', async () => {
  const earlier = offered();
  await takeAttempt(worker, earlier);
  await endAttempt(worker, earlier, { ok: true });
  await admin.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [run.runId]);
  expect(await takeAttempt(worker, offered())).toBeNull();
  run = await claim(run.runId);
  expect(await keepAttempts(worker, [earlier])).toEqual([null]);
  expect(await collect()).toEqual([]);
  expect(await collect({ withdrawn: [key] })).toEqual([{ ...key, status: 'withdrawn' }]);
  await forgetAttempts(worker, run);
  expect(await takeAttempt(worker, offered())).toMatchObject({ input: { n: 1 } });
  expect(await collect()).toEqual([{ ...key, status: 'taken' }]);
});

it('brings the outcome to the owner, small or large, again until it is done with it', async () => {
  await record('running', { input: large });
  const held = offered();
  expect(await takeAttempt(worker, held)).toMatchObject({ input: large });
  await endAttempt(worker, held, { ok: true, output: large });
  await endAttempt(worker, held, { ok: true, output: 'another' });
  const ended = { ...key, status: 'ended', outcome: { ok: true, output: large } };
  expect(await collect()).toEqual([ended]);
  expect(await collect()).toEqual([ended]);
  expect(await collect({ mostEnded: 0 })).toEqual([]);
  expect(await collect({ done: [key] })).toEqual([]);
});

it('takes an offer back that nobody took, and none that somebody has', async () => {
  expect(await collect({ withdrawn: [key] })).toEqual([{ ...key, status: 'withdrawn' }]);
  expect(await takeAttempt(worker, offered())).toBeNull();
  await forgetAttempts(worker, run);
  const held = offered();
  expect(await takeAttempt(worker, held)).not.toBeNull();
  expect(await collect({ withdrawn: [key] })).toEqual([{ ...key, status: 'taken' }]);
  expect(await keepAttempts(worker, [held])).toEqual([expect.any(Number)]);
});

it('keeps what is under way, until the owner forgets it', async () => {
  const held = offered({ leaseMs: 30_000 });
  await takeAttempt(worker, held);
  await expire();
  const [remainingMs] = await keepAttempts(worker, [held]);
  expect(remainingMs).toBeGreaterThan(20_000);
  expect(await collect()).toEqual([{ ...key, status: 'taken' }]);
  expect(await keepAttempts(worker, [offered(), held])).toEqual([null, expect.any(Number)]);
  await forgetAttempts(worker, run);
  expect(await keepAttempts(worker, [held])).toEqual([null]);
});

it('finds an attempt lost once its lease is over or it was given up: for good, and nobody gets it again', async () => {
  const held = offered();
  await takeAttempt(worker, held);
  await expire();
  expect(await collect()).toEqual([{ ...key, status: 'lost' }]);
  expect(await keepAttempts(worker, [held])).toEqual([null]);
  await endAttempt(worker, held, { ok: true, output: 'too late' });
  expect(await collect()).toEqual([{ ...key, status: 'lost' }]);
  expect(await takeAttempt(worker, offered())).toBeNull();
  await forgetAttempts(worker, run);
  const given = offered();
  await takeAttempt(worker, given);
  await abandonAttempt(worker, given);
  expect(await collect()).toEqual([{ ...key, status: 'lost' }]);
});
