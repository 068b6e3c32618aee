import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { UnstorableJsonError } from './json-text.ts';
import {
  type Claim,
  type ClaimedRun,
  claimRun,
  heartbeatRuns,
  type RecordOutcome,
  type RunRecord,
  recordRun,
  type StepRecord,
} from './run-ownership.ts';
import { discardQueuedRun, findStuckRuns, insertQueuedRun, loadSteps, putBackStuckRuns } from './runs.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';
import { loadDefinition } from './workflow-versions.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;

const LEASE_MS = 60_000;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  const options = { poolSize: 4, applicationName: 'runs-test', onError: () => {} };
  api = connectDatabase({ ...options, url: database.apiUrl });
  worker = connectDatabase({ ...options, url: database.workerUrl });
  tenant = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

beforeEach(async () => {
  await admin.query(`DELETE FROM app.workflow_runs WHERE status <> 'succeeded' OR org_id <> $1`, [tenant.orgId]);
});

function claim(runId: string, leaseMs = LEASE_MS, orgId = tenant.orgId): Promise<Claim> {
  return claimRun(worker, { orgId, runId, leaseMs });
}

async function claimed(runId: string, leaseMs = LEASE_MS): Promise<ClaimedRun> {
  const answer = await claim(runId, leaseMs);
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

function record(run: ClaimedRun, change: Partial<RunRecord>): Promise<RecordOutcome> {
  const { orgId, runId, workflowId, leaseToken } = run;
  return recordRun(worker, {
    recordId: newId(),
    orgId,
    runId,
    workflowId,
    leaseToken,
    leaseMs: LEASE_MS,
    status: 'running',
    nextAttemptAt: null,
    attemptCount: 1,
    steps: [],
    release: false,
    ...change,
  });
}

async function beat({ orgId, workflowId, runId, leaseToken }: ClaimedRun): Promise<boolean | undefined> {
  const [answer] = await heartbeatRuns(worker, [{ orgId, workflowId, runId, leaseToken, leaseMs: LEASE_MS }]);
  return answer?.isOwner;
}

function step(stepKey: string, change: Partial<StepRecord> = {}): StepRecord {
  return { stepKey, type: 'transform', status: 'succeeded', attempt: 1, ...change };
}

async function rowOf(runId: string): Promise<Record<string, unknown>> {
  const { rows } = await admin.query('SELECT * FROM app.workflow_runs WHERE id = $1', [runId]);
  return rows[0] ?? {};
}

async function expireLease(runId: string): Promise<void> {
  await admin.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [runId]);
}

async function makeSweepable(): Promise<void> {
  await admin.query(
    `UPDATE app.workflow_runs SET next_sweep_at = now() - interval '1 s' WHERE next_sweep_at IS NOT NULL`,
  );
}

describe('insertQueuedRun', () => {
  const start = (change: object = {}) =>
    withOrg(api, tenant.orgId, (tx) =>
      insertQueuedRun(tx, {
        id: newId(),
        workflowId: tenant.workflowId,
        version: 1,
        triggerType: 'trigger.manual',
        input: { total: 5 },
        maxAttempts: 3,
        requestedByUserId: tenant.userId,
        ...change,
      }),
    );

  it('stores a queued run that a worker can claim with everything it needs', async () => {
    const run = await start();
    expect(run).toMatchObject({
      status: 'queued',
      input: { total: 5 },
      attemptCount: 0,
      startedAt: null,
      leaseToken: 0,
    });
    const before = Date.now();
    expect(await claimed(run.id)).toMatchObject({
      orgId: tenant.orgId,
      runId: run.id,
      workflowId: tenant.workflowId,
      version: 1,
      state: null,
      input: { total: 5 },
      triggerType: 'trigger.manual',
      leaseToken: 1,
      lostClaims: 0,
      attemptCount: 0,
      maxAttempts: 3,
      createdAt: run.createdAt,
      startedAt: expect.any(Date),
    });
    expect(await loadDefinition(worker, { orgId: tenant.orgId, workflowId: tenant.workflowId, version: 1 })).toEqual({
      version: 'v2',
    });
    const after = await claim(run.id);
    expect(after.status).toBe('busy');
    expect(Math.abs(Date.now() - before)).toBeLessThan(30_000);
  });

  it('accepts any JSON input, also none', async () => {
    expect((await start({ input: undefined })).input).toBeNull();
    expect((await start({ input: 'text' })).input).toBe('text');
    expect((await start({ input: [1, { a: null }] })).input).toEqual([1, { a: null }]);
  });

  it('refuses a version that was never published and a workflow of another organization', async () => {
    const other = await seedTenant(admin);
    expect(sqlStateOf(await start({ version: 2 }).catch((error: unknown) => error))).toBe('23503');
    expect(sqlStateOf(await start({ workflowId: other.workflowId }).catch((error: unknown) => error))).toBe('23503');
  });
});

describe('claimRun', () => {
  it('gives a run to exactly one of two claimers', async () => {
    for (let round = 0; round < 25; round += 1) {
      const runId = await seedQueuedRun(admin, tenant);
      const answers = await Promise.all([claim(runId), claim(runId), claim(runId)]);
      expect(answers.map((answer) => answer.status).sort()).toEqual(['busy', 'busy', 'claimed']);
    }
  });

  it('answers gone for an ended run, an unknown run and a run of another organization than claimed', async () => {
    const other = await seedTenant(admin);
    const runId = await seedQueuedRun(admin, tenant);
    expect(await claim(tenant.endedRunId)).toMatchObject({ status: 'gone' });
    expect(await claim(newId())).toMatchObject({ status: 'gone' });
    expect(await claim(runId, LEASE_MS, other.orgId)).toMatchObject({ status: 'gone' });
    expect((await rowOf(runId)).status).toBe('queued');
  });

  it('answers notDue with the time while a retry waits, and claims it once the time has come', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    const nextAttemptAt = new Date(Date.now() + 3_600_000);
    await record(run, { status: 'queued', nextAttemptAt, release: true });
    const early = await claim(run.runId);
    expect(early).toMatchObject({ status: 'notDue', dueInMs: expect.any(Number) });
    const { rows } = await admin.query('SELECT extract(epoch FROM $1 - now())::float8 * 1000 AS ms', [nextAttemptAt]);
    const dueInMs = early.status === 'notDue' ? early.dueInMs : null;
    expect(dueInMs).toBeGreaterThanOrEqual(rows[0].ms);
    expect(dueInMs).toBeLessThan(rows[0].ms + 10_000);
    await admin.query(`UPDATE app.workflow_runs SET next_attempt_at = now() - interval '1 ms' WHERE id = $1`, [
      run.runId,
    ]);
    const again = await claimed(run.runId);
    expect(again).toMatchObject({ leaseToken: 2, lostClaims: 0, startedAt: run.startedAt });
  });

  it('counts a lease that ran out as lost, takes the run over and keeps its first start', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await expireLease(run.runId);
    expect(await claimed(run.runId)).toMatchObject({ leaseToken: 2, lostClaims: 1, startedAt: run.startedAt });
    await expireLease(run.runId);
    expect(await claimed(run.runId)).toMatchObject({ leaseToken: 3, lostClaims: 2 });
  });

  it('takes over a run that was handed back without counting a lost lease', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    expect(await record(run, { release: true })).toBe('recorded');
    expect(await claimed(run.runId)).toMatchObject({ leaseToken: 2, lostClaims: 0 });
  });

  it('refuses ids that are not UUIDs before they reach the database', async () => {
    await expect(claim("x' OR 1=1 --")).rejects.toThrow(TypeError);
    await expect(claim(newId(), LEASE_MS, '')).rejects.toThrow(TypeError);
  });
});

describe('recordRun', () => {
  it('writes the run and its steps together and starts the lease anew', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant), 1_000);
    const outcome = await record(run, {
      state: { nodes: { a: 'succeeded' } },
      attemptCount: 2,
      steps: [step('a', { input: { x: 1 }, output: { y: 2 }, attempt: 2 }), step('b', { status: 'running' })],
    });
    expect(outcome).toBe('recorded');
    const row = await rowOf(run.runId);
    expect(row).toMatchObject({ status: 'running', state: { nodes: { a: 'succeeded' } }, attempt_count: 2 });
    expect((row.lease_until as Date).getTime()).toBeGreaterThan(run.nowMs + LEASE_MS - 1_000);
    const steps = await loadSteps(worker, tenant.orgId, run.runId);
    expect(steps).toMatchObject([
      {
        stepKey: 'a',
        type: 'transform',
        status: 'succeeded',
        attempt: 2,
        input: { x: 1 },
        output: { y: 2 },
        error: null,
      },
      { stepKey: 'b', status: 'running', finishedAt: null },
    ]);
    expect(steps[0]?.finishedAt).toBeInstanceOf(Date);
    expect(steps[1]?.startedAt).toBeInstanceOf(Date);
    expect(await loadSteps(worker, tenant.orgId, run.runId, ['b', 'nothing'])).toMatchObject([{ stepKey: 'b' }]);
  });

  it('tells a step that returned null from a step without output', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { steps: [step('returned', { output: null }), step('without')] });
    const { rows } = await admin.query(
      'SELECT step_key, output IS NULL AS is_none FROM app.workflow_run_steps WHERE run_id = $1 ORDER BY 1',
      [run.runId],
    );
    expect(rows).toEqual([
      { step_key: 'returned', is_none: false },
      { step_key: 'without', is_none: true },
    ]);
  });

  it('takes a null error for none, in the run and in its steps', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { error: null, steps: [step('a', { error: null })] });
    const { rows } = await admin.query(
      `SELECT r.error IS NULL AS run, s.error IS NULL AS step FROM app.workflow_runs r
       JOIN app.workflow_run_steps s ON s.run_id = r.id WHERE r.id = $1`,
      [run.runId],
    );
    expect(rows).toEqual([{ run: true, step: true }]);
  });

  it('keeps the stored state and step input where the record has none', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { state: { seen: 1 }, steps: [step('a', { status: 'running', input: { url: 'x' } })] });
    await record(run, { steps: [step('a', { status: 'failed', attempt: 2, error: { code: 'E', message: 'no' } })] });
    expect((await rowOf(run.runId)).state).toEqual({ seen: 1 });
    expect(await loadSteps(worker, tenant.orgId, run.runId)).toMatchObject([
      { status: 'failed', attempt: 2, input: { url: 'x' }, error: { code: 'E', message: 'no' } },
    ]);
  });

  it('never changes a step that has ended, not even for the owner of the lease (R2)', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { steps: [step('a', { output: 'first' })] });
    expect(await record(run, { steps: [step('a', { output: 'second', attempt: 9 }), step('b')] })).toBe('recorded');
    expect(await loadSteps(worker, tenant.orgId, run.runId)).toMatchObject([
      { stepKey: 'a', output: 'first', attempt: 1 },
      { stepKey: 'b' },
    ]);
    const direct = withOrg(worker, tenant.orgId, (tx) => tx.execute(`UPDATE app.workflow_run_steps SET output = '0'`));
    expect(sqlStateOf(await direct.catch((error: unknown) => error))).toBe('WF002');
  });

  it('takes the last of several records for one step', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { steps: [step('a', { status: 'running' }), step('a', { output: 7 })] });
    expect(await loadSteps(worker, tenant.orgId, run.runId)).toMatchObject([{ status: 'succeeded', output: 7 }]);
  });

  it('ends the run with output, time and no lease', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    expect(await record(run, { status: 'succeeded', output: { sum: 3 }, steps: [step('a')], release: true })).toBe(
      'recorded',
    );
    expect(await rowOf(run.runId)).toMatchObject({
      status: 'succeeded',
      output: { sum: 3 },
      error: null,
      lease_until: null,
      next_sweep_at: null,
      finished_at: expect.any(Date),
    });
  });

  it('refuses a value that PostgreSQL cannot hold before anything is sent', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await expect(record(run, { steps: [step('a', { output: { text: 'a\u0000b' } })] })).rejects.toThrow(
      UnstorableJsonError,
    );
    await expect(record(run, { output: '\ud800' })).rejects.toThrow(UnstorableJsonError);
    expect(await record(run, { output: 'a literal \\u0000 and 😀', status: 'succeeded' })).toBe('recorded');
  });

  it('forgets lost leases once a step has ended, but not because a step merely started', async () => {
    const first = await claimed(await seedQueuedRun(admin, tenant));
    await expireLease(first.runId);
    const second = await claimed(first.runId);
    await record(second, { steps: [step('a', { status: 'running' })] });
    expect((await rowOf(first.runId)).lost_claims).toBe(1);
    await record(second, { steps: [step('a')] });
    expect((await rowOf(first.runId)).lost_claims).toBe(0);
  });
});

describe('fencing (R1)', () => {
  it('lets a worker that lost its lease write nothing and beat no heart', async () => {
    const zombie = await claimed(await seedQueuedRun(admin, tenant));
    await expireLease(zombie.runId);
    const owner = await claimed(zombie.runId);
    expect(await record(zombie, { status: 'failed', state: { z: 1 }, steps: [step('z')] })).toBe('fenced');
    expect(await beat(zombie)).toBe(false);
    expect(await beat(owner)).toBe(true);
    expect(await loadSteps(worker, tenant.orgId, zombie.runId)).toEqual([]);
    expect(await rowOf(zombie.runId)).toMatchObject({ status: 'running', state: null, lease_token: '2' });
  });

  it('lets exactly one of owner and zombie finish a run', async () => {
    for (let round = 0; round < 25; round += 1) {
      const zombie = await claimed(await seedQueuedRun(admin, tenant));
      await expireLease(zombie.runId);
      const [owner, late] = await Promise.all([
        claim(zombie.runId),
        record(zombie, { status: 'succeeded', output: 'z' }),
      ]);
      const row = await rowOf(zombie.runId);
      if (late === 'recorded') {
        expect(owner.status).toBe('gone');
        expect(row).toMatchObject({ status: 'succeeded', output: 'z' });
      } else {
        expect(owner.status).toBe('claimed');
        expect(row).toMatchObject({ status: 'running', output: null });
      }
    }
  });

  it('lets nobody change a run that has ended, by record or by hand', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { status: 'failed', error: { code: 'X', message: 'x' } });
    const before = await rowOf(run.runId);
    expect(await record(run, { status: 'succeeded' })).toBe('fenced');
    expect(await record(run, { status: 'running', steps: [step('late')] })).toBe('fenced');
    expect(await beat(run)).toBe(false);
    for (const change of [`status = 'running', finished_at = NULL`, `output = '1'`, 'lease_token = 99']) {
      const byHand = admin.query(`UPDATE app.workflow_runs SET ${change} WHERE id = $1`, [run.runId]);
      expect(sqlStateOf(await byHand.catch((error: unknown) => error))).toBe('WF002');
    }
    expect(await rowOf(run.runId)).toEqual(before);
  });
});

describe('a run that is handed back', () => {
  it('is not taken again by a late heartbeat of its owner', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { release: true });
    expect(await beat(run)).toBe(false);
    expect((await claim(run.runId)).status).toBe('claimed');
  });

  it('stays unclaimed until the time it was put off to, and keeps its count of lost leases', async () => {
    const first = await claimed(await seedQueuedRun(admin, tenant));
    await expireLease(first.runId);
    const second = await claimed(first.runId);
    expect(second.lostClaims).toBe(1);
    await record(second, { release: true, nextAttemptAt: new Date(Date.now() + 60_000) });
    expect((await claim(first.runId)).status).toBe('busy');
    await admin.query(`UPDATE app.workflow_runs SET next_attempt_at = now() - interval '1 ms' WHERE id = $1`, [
      first.runId,
    ]);
    expect(await claim(first.runId)).toMatchObject({ status: 'claimed', run: { lostClaims: 1 } });
  });
});

describe('discardQueuedRun (R7)', () => {
  const discard = (orgId: string, runId: string) => withOrg(api, orgId, (tx) => discardQueuedRun(tx, runId));

  it('removes a run that no worker has claimed, once, and only for its own organization', async () => {
    const other = await seedTenant(admin);
    const runId = await seedQueuedRun(admin, tenant);
    expect(await discard(other.orgId, runId)).toBe(false);
    expect(await discard(tenant.orgId, runId)).toBe(true);
    expect(await discard(tenant.orgId, runId)).toBe(false);
    expect(await discard(tenant.orgId, tenant.endedRunId)).toBe(false);
  });

  it('leaves a run alone that was claimed before, even while it waits for a retry', async () => {
    const run = await claimed(await seedQueuedRun(admin, tenant));
    await record(run, { status: 'queued', nextAttemptAt: new Date(), release: true });
    expect(await discard(tenant.orgId, run.runId)).toBe(false);
  });

  it('lets exactly one of discard and claim win, 200 times', async () => {
    const winners = { claim: 0, discard: 0 };
    for (let round = 0; round < 200; round += 1) {
      const runId = await seedQueuedRun(admin, tenant);
      const both = [() => claim(runId), () => discard(tenant.orgId, runId)] as const;
      const first = round % 2 === 0 ? both[0]() : both[1]();
      const second = round % 2 === 0 ? both[1]() : both[0]();
      const answers = await Promise.all([first, second]);
      const wasDiscarded = answers.some((answer) => answer === true);
      const wasClaimed = answers.some((answer) => typeof answer === 'object' && answer.status === 'claimed');
      expect([wasDiscarded, wasClaimed].filter(Boolean)).toHaveLength(1);
      winners[wasClaimed ? 'claim' : 'discard'] += 1;
    }
    expect(winners.claim + winners.discard).toBe(200);
  });
});

describe('findStuckRuns', () => {
  const stuck = async (limit = 100) => (await findStuckRuns(worker, limit)).map((run) => run.runId);

  it('finds what waits for a worker: queued for 3 s, a retry that is due, a lease that ran out, a run handed back', async () => {
    const forgotten = await seedQueuedRun(admin, tenant, 4);
    const fresh = await seedQueuedRun(admin, tenant, 0);
    const due = await claimed(await seedQueuedRun(admin, tenant));
    await record(due, { status: 'queued', nextAttemptAt: new Date(Date.now() - 1), release: true });
    const later = await claimed(await seedQueuedRun(admin, tenant));
    await record(later, { status: 'queued', nextAttemptAt: new Date(Date.now() + 3_600_000), release: true });
    const lost = await claimed(await seedQueuedRun(admin, tenant, 4));
    await expireLease(lost.runId);
    const back = await claimed(await seedQueuedRun(admin, tenant));
    await record(back, { release: true });
    const found = await stuck();
    expect(found.toSorted()).toEqual([forgotten, due.runId, lost.runId, back.runId].toSorted());
    expect(found).not.toContain(fresh);
  });

  it.each(['worker', 'api'] as const)(
    'finds again what the %s could not wake, and nothing that has ended',
    async (role) => {
      const [forgotten, cancelled] = [await seedQueuedRun(admin, tenant, 4), await seedQueuedRun(admin, tenant, 4)];
      const found = await findStuckRuns(worker, 100);
      expect(found).toHaveLength(2);
      expect(await stuck()).toEqual([]);
      await admin.query(
        `UPDATE app.workflow_runs SET status = 'cancelled', finished_at = now(), next_sweep_at = NULL WHERE id = $1`,
        [cancelled],
      );
      await putBackStuckRuns(role === 'api' ? api : worker, found);
      expect(await stuck()).toEqual([forgotten]);
    },
  );

  it('leaves runs alone that have an owner, a time or an end, and looks again when their time is over', async () => {
    const owned = await claimed(await seedQueuedRun(admin, tenant, 4));
    const later = await claimed(await seedQueuedRun(admin, tenant));
    await record(later, { status: 'queued', nextAttemptAt: new Date(Date.now() + 3_600_000), release: true });
    await makeSweepable();
    expect(await stuck()).toEqual([]);
    const rows = await Promise.all([rowOf(owned.runId), rowOf(later.runId)]);
    expect(rows[0]?.next_sweep_at).toEqual(rows[0]?.lease_until);
    expect(rows[1]?.next_sweep_at).toEqual(rows[1]?.next_attempt_at);
  });

  it('goes through a long backlog in turn, so that it cannot hide a lost run', async () => {
    for (let index = 0; index < 6; index += 1) await seedQueuedRun(admin, tenant, 20);
    const lost = await claimed(await seedQueuedRun(admin, tenant, 10));
    await expireLease(lost.runId);
    const rounds = [await stuck(3), await stuck(3), await stuck(3)];
    expect(rounds.map((round) => round.length)).toEqual([3, 3, 1]);
    expect(rounds[2]).toEqual([lost.runId]);
    expect(new Set(rounds.flat()).size).toBe(7);
    expect(await stuck(3)).toEqual([]);
  });

  it('looks first at what has waited longest for a look', async () => {
    await seedQueuedRun(admin, tenant, 10);
    const longest = await seedQueuedRun(admin, tenant, 50);
    await seedQueuedRun(admin, tenant, 20);
    expect(await stuck(1)).toEqual([longest]);
  });

  it('answers nothing while another sweeper is at it', async () => {
    await seedQueuedRun(admin, tenant, 5);
    const client = await admin.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock(7303001)');
      expect(await stuck()).toEqual([]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect(await stuck()).toHaveLength(1);
  });
});

describe('the second door', () => {
  it('serves two organizations on one connection and leaves none behind', async () => {
    const other = await seedTenant(admin);
    const one = connectDatabase({ url: database.workerUrl, poolSize: 1, applicationName: 'one', onError: () => {} });
    const mine = await seedQueuedRun(admin, tenant);
    const theirs = await seedQueuedRun(admin, other);
    expect((await claimRun(one, { orgId: tenant.orgId, runId: mine, leaseMs: 1 })).status).toBe('claimed');
    expect((await claimRun(one, { orgId: other.orgId, runId: theirs, leaseMs: 1 })).status).toBe('claimed');
    const client = await one.pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT app.claim_runs($1)', [
      JSON.stringify([{ orgId: tenant.orgId, runId: mine, leaseMs: 1 }]),
    ]);
    await client.query('SELECT app.heartbeat_runs($1)', [
      JSON.stringify([{ orgId: other.orgId, runId: theirs, leaseToken: 1, leaseMs: 1 }]),
    ]);
    const bare = client.query('SELECT count(*) FROM app.workflow_runs');
    expect(sqlStateOf(await bare.catch((error: unknown) => error))).toBe('WF001');
    await client.query('ROLLBACK');
    client.release();
    const after = one.pool.query('SELECT count(*) FROM app.workflow_runs');
    expect(sqlStateOf(await after.catch((error: unknown) => error))).toBe('WF001');
    await closeDatabase(one);
  });
});
