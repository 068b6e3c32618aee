import { newId } from '@millrace/shared/ids';
import { eq } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import {
  type ClaimedRun,
  claimRun,
  heartbeatRuns,
  type RecordOutcome,
  type RunRecord,
  readSignals,
  recordRun,
} from './run-ownership.ts';
import { type CancelOutcome, cancelRun, signalRun } from './run-signals.ts';
import { findStuckRuns } from './runs.ts';
import { workflowRuns } from './schema/runs.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

const LEASE_MS = 60_000;
const DOCUMENT = { version: 'v2', nodes: ['one', 'two', 'three'].map((id) => ({ id, type: 'transform' })) };
const ENTRY = { type: 'run.cancel_requested', by: 'somebody' };

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  const options = { poolSize: 8, applicationName: 'signals-test', onError: () => {} };
  api = connectDatabase({ ...options, url: database.apiUrl });
  worker = connectDatabase({ ...options, url: database.workerUrl });
  tenant = await seedTenant(admin);
  await admin.query(
    'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 2, $3)',
    [tenant.orgId, tenant.workflowId, JSON.stringify(DOCUMENT)],
  );
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});

beforeEach(async () => {
  await admin.query(`DELETE FROM app.workflow_runs WHERE id <> $1`, [tenant.endedRunId]);
});

async function queued(): Promise<string> {
  const runId = await seedQueuedRun(admin, tenant);
  await admin.query('UPDATE app.workflow_runs SET version = 2 WHERE id = $1', [runId]);
  return runId;
}

async function claimed(runId: string): Promise<ClaimedRun> {
  const answer = await claimRun(worker, { orgId: tenant.orgId, runId, leaseMs: LEASE_MS });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

async function owned(): Promise<ClaimedRun> {
  return await claimed(await queued());
}

function record(run: ClaimedRun, change: Partial<RunRecord> = {}): Promise<RecordOutcome> {
  const { orgId, runId, workflowId, leaseToken } = run;
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS };
  const base = { ...own, nextAttemptAt: null, attemptCount: 1 };
  return recordRun(worker, { ...base, status: 'running', steps: [], release: false, ...change });
}

const cancel = (runId: string, orgId = tenant.orgId): Promise<CancelOutcome> =>
  withOrg(api, orgId, (tx) => cancelRun(tx, runId, ENTRY));
const say = (runId: string, payload: unknown = null): Promise<boolean> =>
  withOrg(api, tenant.orgId, (tx) => signalRun(tx, runId, { type: 'resume', stepKey: 'one', payload }));

async function rowOf(runId: string): Promise<Record<string, unknown>> {
  const { rows } = await admin.query('SELECT * FROM app.workflow_runs WHERE id = $1', [runId]);
  return rows[0] ?? {};
}

async function stepsOf(runId: string): Promise<Record<string, unknown>> {
  const { rows } = await admin.query(
    'SELECT step_key AS key, status, output, error, finished_at FROM app.workflow_run_steps WHERE run_id = $1',
    [runId],
  );
  for (const row of rows) expect(row.finished_at === null).toBe(false);
  return Object.fromEntries(rows.map(({ key, status }) => [key, status]));
}

async function entriesOf(runId: string): Promise<unknown[]> {
  const { rows } = await admin.query('SELECT entries FROM app.workflow_run_events WHERE run_id = $1 ORDER BY number', [
    runId,
  ]);
  return rows.flatMap(({ entries }) => entries);
}

async function countSignals(runId: string): Promise<number> {
  const { rows } = await admin.query(
    'SELECT count(*)::integer AS count FROM app.workflow_run_signals WHERE run_id = $1',
    [runId],
  );
  return rows[0].count;
}

async function expireLease(runId: string): Promise<void> {
  await admin.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [runId]);
}

const ALL_CANCELLED = { one: 'cancelled', two: 'cancelled', three: 'cancelled' };
const LATER = () => new Date(Date.now() + 3_600_000);
const ONE_DONE = [{ stepKey: 'one', type: 'transform', status: 'succeeded', attempt: 1, output: 1 }] as const;

describe('cancelRun ends at once a run that nobody owns', () => {
  const waiting: Record<string, () => Promise<{ runId: string; steps: object }>> = {
    'that is queued': async () => ({ runId: await queued(), steps: ALL_CANCELLED }),
    'that waits for a person': async () => {
      const run = await owned();
      const two = { stepKey: 'two', type: 'transform', status: 'waiting', attempt: 1 } as const;
      expect(await record(run, { status: 'waiting', steps: [...ONE_DONE, two], release: true })).toBe('recorded');
      return { runId: run.runId, steps: { ...ALL_CANCELLED, one: 'succeeded' } };
    },
    'that waits for a retry': async () => {
      const run = await owned();
      const one = { stepKey: 'one', type: 'transform', status: 'waiting', attempt: 1 } as const;
      await record(run, { status: 'queued', nextAttemptAt: LATER(), steps: [one], release: true });
      return { runId: run.runId, steps: ALL_CANCELLED };
    },
    'whose owner was lost': async () => {
      const run = await owned();
      const two = { stepKey: 'two', type: 'transform', status: 'running', attempt: 1 } as const;
      await record(run, { steps: [...ONE_DONE, two] });
      await expireLease(run.runId);
      return { runId: run.runId, steps: { ...ALL_CANCELLED, one: 'succeeded' } };
    },
    'that was handed back': async () => {
      const run = await owned();
      await record(run, { nextAttemptAt: LATER(), release: true });
      return { runId: run.runId, steps: ALL_CANCELLED };
    },
    'that has something unread': async () => {
      const runId = await queued();
      expect(await say(runId)).toBe(true);
      return { runId, steps: ALL_CANCELLED };
    },
  };

  it.each(Object.entries(waiting))('%s: row, steps and timeline say so, and nothing is left to do', async (_, make) => {
    const { runId, steps } = await make();
    const before = await rowOf(runId);
    expect(await cancel(runId)).toBe('cancelled');
    const row = await rowOf(runId);
    expect(row).toMatchObject({
      status: 'cancelled',
      output: null,
      error: null,
      lease_until: null,
      next_attempt_at: null,
      next_sweep_at: null,
      finished_at: expect.any(Date),
      lease_token: String(Number(before.lease_token) + 1),
      signals_read: before.signals_sent,
    });
    expect(await stepsOf(runId)).toEqual(steps);
    expect((await entriesOf(runId)).at(-1)).toEqual(ENTRY);
    expect(await countSignals(runId)).toBe(0);
    expect((await claimRun(worker, { orgId: tenant.orgId, runId, leaseMs: LEASE_MS })).status).toBe('gone');
    expect(await cancel(runId)).toBe('ended');
    expect(await rowOf(runId)).toEqual(row);
  });

  it('and fences the owner that comes back to it', async () => {
    const run = await owned();
    await expireLease(run.runId);
    expect(await cancel(run.runId)).toBe('cancelled');
    const before = await rowOf(run.runId);
    expect(await record(run, { status: 'succeeded', output: 1, steps: ONE_DONE, release: true })).toBe('fenced');
    expect(await heartbeatRuns(worker, [{ ...run, leaseMs: LEASE_MS }])).toEqual([
      { isOwner: false, hasSignals: false },
    ]);
    expect(await rowOf(run.runId)).toEqual(before);
    expect(await stepsOf(run.runId)).toEqual(ALL_CANCELLED);
  });
});

describe('cancelRun', () => {
  it('tells the owner of a run, once however often it is asked, and changes nothing else', async () => {
    const run = await owned();
    for (let times = 0; times < 3; times += 1) expect(await cancel(run.runId)).toBe('signalled');
    expect(await rowOf(run.runId)).toMatchObject({ status: 'running', signals_sent: 1, signals_read: 0 });
    expect(await stepsOf(run.runId)).toEqual({});
    expect(await readSignals(worker, tenant.orgId, run.runId)).toEqual([
      { number: 1, type: 'cancel', stepKey: null, payload: ENTRY },
    ]);
    expect(await heartbeatRuns(worker, [{ ...run, leaseMs: LEASE_MS }])).toEqual([{ isOwner: true, hasSignals: true }]);
  });

  it('is read by the next owner when the first one is lost with it', async () => {
    const run = await owned();
    await cancel(run.runId);
    await expireLease(run.runId);
    const next = await claimed(run.runId);
    expect(next.hasSignals).toBe(true);
    expect(await readSignals(worker, tenant.orgId, run.runId)).toHaveLength(1);
  });

  it('is one part of a transaction of its organization, like saying something else', async () => {
    const run = await owned();
    const read = await withOrg(api, tenant.orgId, async (tx) => {
      expect(await cancelRun(tx, run.runId, ENTRY)).toBe('signalled');
      expect(await signalRun(tx, run.runId, { type: 'resume', stepKey: 'one' })).toBe(true);
      return await tx
        .select({ signalsSent: workflowRuns.signalsSent })
        .from(workflowRuns)
        .where(eq(workflowRuns.id, run.runId));
    });
    expect(read).toEqual([{ signalsSent: 2 }]);
  });

  it('leaves an ended run and runs of other organizations as they are', async () => {
    const run = await owned();
    await record(run, { status: 'succeeded', output: 1, release: true });
    const other = await seedTenant(admin);
    const theirs = await seedQueuedRun(admin, other);
    const before = await Promise.all([rowOf(run.runId), rowOf(theirs)]);
    expect(await cancel(run.runId)).toBe('ended');
    expect(await cancel(theirs)).toBe('gone');
    expect(await say(theirs)).toBe(false);
    expect(await say(run.runId)).toBe(false);
    expect(await Promise.all([rowOf(run.runId), rowOf(theirs)])).toEqual(before);
    expect(await cancel(theirs, other.orgId)).toBe('cancelled');
  });
});

describe('a signal', () => {
  it('keeps its run from being given up until it is read', async () => {
    const run = await owned();
    await say(run.runId, { n: 1 });
    const given = { status: 'waiting', release: true } as const;
    expect(await record(run, given)).toBe('unread');
    expect(await rowOf(run.runId)).toMatchObject({ status: 'running', lease_until: expect.any(Date) });
    expect(await record(run, { ...given, signals: [1] })).toBe('recorded');
    expect(await rowOf(run.runId)).toMatchObject({
      status: 'waiting',
      lease_until: null,
      signals_sent: 1,
      signals_read: 1,
    });
    expect(await countSignals(run.runId)).toBe(0);
  });

  it('keeps no run from its end, and what the run did not hear goes with it', async () => {
    const run = await owned();
    for (let n = 0; n < 3; n += 1) await say(run.runId, n);
    expect(
      await record(run, { status: 'failed', error: { code: 'X', message: '' }, signals: [1], release: true }),
    ).toBe('recorded');
    expect(await rowOf(run.runId)).toMatchObject({ signals_sent: 3, signals_read: 3, next_sweep_at: null });
    expect(await countSignals(run.runId)).toBe(0);
  });

  it('is counted once though its record is sent again after a lost answer, so that a later one is still heard', async () => {
    const run = await owned();
    await say(run.runId);
    for (let times = 0; times < 3; times += 1) expect(await record(run, { signals: [1] })).toBe('recorded');
    expect(await rowOf(run.runId)).toMatchObject({ signals_sent: 1, signals_read: 1 });
    await say(run.runId);
    expect(await record(run, { status: 'waiting', release: true })).toBe('unread');
    expect((await readSignals(worker, tenant.orgId, run.runId)).map(({ number }) => number)).toEqual([2]);
  });

  it.each([
    ['waits for something that is not a time', { status: 'waiting' }],
    ['waits for a time', { status: 'queued', nextAttemptAt: LATER() }],
    ['was put off', { status: 'running', nextAttemptAt: LATER() }],
  ] as const)('makes a run that %s claimable at once, and the sweeper finds it (R3)', async (_, change) => {
    const run = await owned();
    expect(await record(run, { ...change, release: true })).toBe('recorded');
    expect(await findStuckRuns(worker, 10)).toEqual([]);
    expect(await say(run.runId)).toBe(true);
    expect(await findStuckRuns(worker, 10)).toEqual([{ orgId: tenant.orgId, runId: run.runId }]);
    expect((await claimed(run.runId)).hasSignals).toBe(true);
  });

  it('is never left on a run that nobody owns and nobody may claim, in 1,000 races with giving the run up (R3)', async () => {
    const ROUNDS = 1_000;
    let run = await owned();
    const outcomes = { recorded: 0, unread: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      const giveUp = () => record(run, { status: 'waiting', release: true });
      const both = round % 2 === 0 ? [say(run.runId), giveUp()] : [giveUp(), say(run.runId)];
      const [outcome = 'fenced'] = (await Promise.all(both)).filter((answer) => typeof answer === 'string');
      if (outcome === 'fenced') throw new Error('the owner was fenced');
      outcomes[outcome] += 1;
      const row = await rowOf(run.runId);
      expect(row).toMatchObject({ signals_sent: round + 1, signals_read: round });
      if (outcome === 'unread') expect(row).toMatchObject({ status: 'running', lease_until: expect.any(Date) });
      else run = await claimed(run.runId);
      const signals = await readSignals(worker, tenant.orgId, run.runId);
      expect(signals.map(({ number }) => number)).toEqual([round + 1]);
      expect(await record(run, { signals: [round + 1] })).toBe('recorded');
    }
    expect(await rowOf(run.runId)).toMatchObject({ signals_sent: ROUNDS, signals_read: ROUNDS });
    expect(outcomes.recorded + outcomes.unread).toBe(ROUNDS);
    expect(outcomes.recorded).toBeGreaterThan(0);
    expect(outcomes.unread).toBeGreaterThan(0);
  }, 120_000);
});

it('lets exactly one of cancel and end win, 1,000 times, and nothing changes the run again', async () => {
  const winners = { cancelled: 0, succeeded: 0 };
  for (let round = 0; round < 1_000; round += 1) {
    const run = await owned();
    // Half of the owners are late: their lease has run out, so a cancel may end the run here and now.
    if (round % 2 === 0) await expireLease(run.runId);
    const finish = () => record(run, { status: 'succeeded', output: 1, release: true });
    const both = round % 4 < 2 ? [cancel(run.runId), finish()] : [finish(), cancel(run.runId)];
    const answers = await Promise.all(both);
    const row = await rowOf(run.runId);
    expect(['cancelled', 'succeeded']).toContain(row.status);
    winners[row.status as keyof typeof winners] += 1;
    expect(answers.includes('cancelled')).toBe(row.status === 'cancelled');
    expect(answers.includes('recorded')).toBe(row.status === 'succeeded');
    expect([await cancel(run.runId), await finish()]).toEqual(['ended', 'fenced']);
    expect(await rowOf(run.runId)).toEqual(row);
    expect(await countSignals(run.runId)).toBe(0);
  }
  expect(winners.cancelled).toBeGreaterThan(0);
  expect(winners.succeeded).toBeGreaterThan(0);
}, 120_000);
