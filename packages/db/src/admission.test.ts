import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { admitHeldRuns } from './admission.ts';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { makeHookRun } from './hooks.ts';
import { oldestQueued } from './oldest-queued.ts';
import { type Acceptance, acceptRun } from './run-accepts.ts';
import { type Claim, claimRun } from './run-ownership.ts';
import { findStuckRuns, insertQueuedRun } from './runs.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { untilLockWaits } from './testing-locks.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

const WINDOW = 4;
const MOST_QUEUED = 1_000;

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let one: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  const admission = { window: WINDOW, mostQueuedRuns: MOST_QUEUED };
  const options = { poolSize: 8, applicationName: 'admission', onError: () => {}, admission };
  api = connectDatabase({ ...options, url: database.apiUrl });
  worker = connectDatabase({ ...options, url: database.workerUrl });
  [one, other] = [await seedTenant(admin), await seedTenant(admin)];
  await admin.query('UPDATE app.workflows SET version = 1, is_enabled = true');
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});
beforeEach(async () => {
  await admin.query(`DELETE FROM app.workflow_runs WHERE status <> 'succeeded'`);
  await admin.query('UPDATE app.org_run_limits SET weight = 1, max_concurrent_runs = NULL, max_queued_runs = NULL');
});

function accept({ orgId, workflowId, userId }: SeededTenant): Promise<Acceptance> {
  return acceptRun(api, { orgId, workflowId, userId, runId: newId(), version: 1, maxAttempts: 3, input: null });
}

/** Stores runs one after the other; answers their ids, oldest first. */
async function queueRuns(tenant: SeededTenant, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const accepted = await accept(tenant);
    if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
    ids.push(accepted.run.id);
  }
  return ids;
}

const claim = ({ orgId }: SeededTenant, runId: string): Promise<Claim> =>
  claimRun(worker, { orgId, runId, leaseMs: 60_000 });

async function idsOf({ orgId }: SeededTenant, condition: string): Promise<string[]> {
  const { rows } = await admin.query(
    `SELECT id FROM app.workflow_runs WHERE org_id = $1 AND status <> 'succeeded' AND (${condition}) ORDER BY id`,
    [orgId],
  );
  return rows.map(({ id }) => id);
}
const admittedOf = (tenant: SeededTenant) => idsOf(tenant, `status = 'queued' AND held_by IS NULL`);
const heldOf = (tenant: SeededTenant) => idsOf(tenant, `status = 'queued' AND held_by = 'organization'`);

function limit({ orgId }: SeededTenant, column: string, value: number) {
  return admin.query(`UPDATE app.org_run_limits SET ${column} = $2 WHERE org_id = $1`, [orgId, value]);
}

/** As a run ends: its row alone. */
async function end({ orgId }: SeededTenant, runId: string): Promise<void> {
  await admin.query(
    `UPDATE app.workflow_runs SET status = 'failed', finished_at = now(), lease_until = NULL WHERE org_id = $1 AND id = $2`,
    [orgId, runId],
  );
}

it('admits the first runs of an organization up to its window, holds the others, and no neighbour notices', async () => {
  const ids = await queueRuns(one, 10);
  expect(await admittedOf(one)).toEqual(ids.slice(0, WINDOW));
  expect(await heldOf(one)).toEqual(ids.slice(WINDOW));
  expect(await accept(other)).toMatchObject({ outcome: 'accepted', isHeld: false });
});

it('each claim admits the oldest held run, and names it for a wake-up', async () => {
  const ids = await queueRuns(one, 8);
  for (const [n, runId] of ids.entries()) {
    const { status, admitted } = await claim(one, runId);
    expect({ status, admitted }).toEqual({ status: 'claimed', admitted: ids.slice(n + WINDOW, n + WINDOW + 1) });
  }
});

it('a held run cannot be claimed, by whatever wake-up', async () => {
  const ids = await queueRuns(one, WINDOW + 1);
  expect(await claim(one, ids.at(-1) ?? '')).toMatchObject({ status: 'notDue', dueInMs: null, admitted: [] });
});

it('nobody overtakes: while runs are held a new one goes behind them, though the window has room', async () => {
  const ids = await queueRuns(one, WINDOW + 2);
  await admin.query('DELETE FROM app.workflow_runs WHERE id = ANY ($1)', [ids.slice(0, 2)]);
  expect(await accept(one)).toMatchObject({ isHeld: true });
});

it('a window stays full whatever becomes of the runs that are held behind it', async () => {
  const ids = await queueRuns(one, WINDOW + 2);
  await admin.query('DELETE FROM app.workflow_runs WHERE id = ANY ($1)', [ids.slice(WINDOW)]);
  expect(await accept(one)).toMatchObject({ isHeld: true });
  const others = await queueRuns(other, WINDOW + 2);
  for (const id of others.slice(0, 2)) await claim(other, id);
  expect(await admittedOf(other)).toEqual(others.slice(2));
  expect(await accept(other)).toMatchObject({ isHeld: true });
});

it('of runs that are accepted at the same moment only a window is admitted', async () => {
  await Promise.all(Array.from({ length: 150 }, () => accept(one)));
  expect(await admittedOf(one)).toHaveLength(WINDOW);
});

it('the run of an old delivery is the oldest queued one from then on', async () => {
  const [delivery, older] = [newId(), newId()];
  await admin.query(
    `INSERT INTO app.hook_deliveries (org_id, id, workflow_id, version, run_id, input, max_attempts, next_sweep_at)
     VALUES ($1, $2, $3, 1, $4, '1', 1, now() + interval '1 hour')`,
    [other.orgId, delivery, other.workflowId, older],
  );
  await queueRuns(other, 1);
  expect(await makeHookRun(api, other.orgId, delivery)).toMatchObject({ runId: older });
  expect(oldestQueued(api, other.orgId)).toBe(older);
});

it('whoever stores runs begins to count at the oldest queued one, and finds one that is queued before it later, in time', async () => {
  const room = async (from: string | null) => {
    const { rows } = await admin.query(
      `SELECT admissible, queued_from AS "queuedFrom" FROM app.queue_room($1::uuid, 0, $2, 1000000, $3)`,
      [one.orgId, WINDOW, from],
    );
    return rows[0];
  };
  const older = newId();
  const [oldest = ''] = await queueRuns(one, 1);
  expect(await room(null)).toMatchObject({ admissible: WINDOW - 1, queuedFrom: oldest });
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, held_by)
     VALUES ($1, $2, $3, 1, 'trigger.manual', 'organization')`,
    [one.orgId, older, one.workflowId],
  );
  const looks = [];
  for (let n = 0; n < 1_000; n += 1) looks.push(await room(oldest));
  const found = looks.filter(({ queuedFrom }) => queuedFrom === older);
  expect(found.length).toBeGreaterThan(0);
  expect(found.length).toBeLessThan(100);
  expect(found[0]).toMatchObject({ admissible: 0 });
});

it('the sweeper admits what is held although there is room, and leaves other held runs alone', async () => {
  const ids = await queueRuns(one, WINDOW + 3);
  await admin.query('DELETE FROM app.workflow_runs WHERE id = ANY ($1)', [ids.slice(0, 2)]);
  await admin.query(`UPDATE app.workflow_runs SET next_sweep_at = now() - interval '1 s' WHERE id = $1`, [ids.at(-1)]);
  const swept = await findStuckRuns(api, 100);
  expect(swept.map(({ runId }) => runId)).toEqual(ids.slice(WINDOW, WINDOW + 2));
  expect(await findStuckRuns(worker, 100)).toEqual([]);
});

it('retries and hooks go through the same window', async () => {
  await queueRuns(one, WINDOW);
  const run = { workflowId: one.workflowId, version: 1, maxAttempts: 1, requestedByUserId: null };
  const stored = await withOrg(api, one.orgId, (tx) =>
    insertQueuedRun(tx, { ...run, id: newId(), triggerType: 'trigger.manual' }, api.admission),
  );
  expect(stored).toMatchObject({ heldBy: 'organization', nextSweepAt: null });
  const { rows } = await admin.query('SELECT id FROM app.hook_deliveries WHERE org_id = $1', [one.orgId]);
  expect(await makeHookRun(worker, one.orgId, rows[0].id)).toMatchObject({ isHeld: true });
});

it('a weight multiplies the window', async () => {
  await limit(one, 'weight', 3);
  await queueRuns(one, WINDOW * 3 + 2);
  expect(await admittedOf(one)).toHaveLength(WINDOW * 3);
});

it('runs accepted while others are claimed are never held by an empty window', async () => {
  const claimedIds = new Set<string>();
  const wakes: string[] = [];
  let isAccepting = true;
  const claimer = (async () => {
    while (isAccepting || wakes.length > 0) {
      const runId = wakes.shift();
      if (runId === undefined) await new Promise((resolve) => setImmediate(resolve));
      else {
        const { admitted } = await claim(one, runId);
        claimedIds.add(runId);
        wakes.push(...admitted);
      }
    }
  })();
  for (let burst = 0; burst < 40; burst += 1) {
    const accepted = await Promise.all(Array.from({ length: 5 }, () => accept(one)));
    for (const one of accepted) if (one.outcome === 'accepted' && !one.isHeld) wakes.push(one.run.id);
  }
  isAccepting = false;
  await claimer;
  expect([await heldOf(one), claimedIds.size]).toEqual([[], 200]);
});

it('of 1,000 runs at once exactly as many are stored as may be queued', { timeout: 60_000 }, async () => {
  await limit(one, 'max_queued_runs', 300);
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => accept(one)));
  expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(300);
  expect(answers.filter(({ outcome }) => outcome === 'full')).toHaveLength(700);
  expect(await idsOf(one, `status = 'queued'`)).toHaveLength(300);
  expect(await accept(other)).toMatchObject({ outcome: 'accepted' });
});

it('a limit too high to be counted each time holds from the second on in which runs are held', async () => {
  const large = await seedTenant(admin);
  await admin.query('UPDATE app.workflows SET is_enabled = true');
  await limit(large, 'max_queued_runs', 1_500);
  await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, held_by, next_sweep_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', 'organization', NULL FROM generate_series(1, 1500)`,
    [large.orgId, large.workflowId],
  );
  expect(await accept(large)).toMatchObject({ outcome: 'accepted', isHeld: true }); // the process learns that some are held
  expect(await accept(large)).toEqual({ outcome: 'full' });
  await admin.query(`DELETE FROM app.workflow_runs WHERE org_id = $1 AND status = 'queued'`, [large.orgId]);
  const deadline = performance.now() + 10_000;
  while ((await accept(large)).outcome === 'full' && performance.now() < deadline);
  expect(await accept(large)).toMatchObject({ outcome: 'accepted' });
});

it('a delivery waits while the queue is full, and a retry is refused with a reason', async () => {
  await limit(other, 'max_queued_runs', 1);
  await queueRuns(other, 1);
  const { rows } = await admin.query('SELECT id FROM app.hook_deliveries WHERE org_id = $1', [other.orgId]);
  expect(await makeHookRun(api, other.orgId, rows[0].id)).toBeNull();
  const run = { id: newId(), workflowId: other.workflowId, version: 1, triggerType: 'x', maxAttempts: 1 };
  const retry = withOrg(api, other.orgId, (tx) =>
    insertQueuedRun(tx, { ...run, requestedByUserId: null }, api.admission),
  );
  await expect(retry).rejects.toMatchObject({ code: 'RUN_LIMIT_EXCEEDED', status: 429 });
  await limit(other, 'max_queued_runs', 2);
  expect(await makeHookRun(api, other.orgId, rows[0].id)).toMatchObject({ isHeld: false });
});

it('an organization never has more runs running than it may, however many claims race', {
  timeout: 60_000,
}, async () => {
  await limit(one, 'weight', 100);
  // Admitted before it had a limit.
  const ids = await queueRuns(one, 100);
  await limit(one, 'max_concurrent_runs', 3);
  const claims = await Promise.all(ids.flatMap((id) => Array.from({ length: 10 }, () => claim(one, id))));
  expect(claims.filter(({ status }) => status === 'claimed')).toHaveLength(3);
  const running = await idsOf(one, `status = 'running'`);
  expect(running).toHaveLength(3);
  expect(await heldOf(one)).toHaveLength(97);
  for (const runId of running.slice(0, 2)) await end(one, runId);
  const swept = await findStuckRuns(worker, 100);
  expect(swept.map(({ runId }) => runId)).toEqual(
    (await idsOf(one, 'true')).filter((id) => ids.includes(id) && !running.includes(id)).slice(0, 2),
  );
});

it('a run whose delay is over takes a place too, and waits for one behind nobody younger', async () => {
  const [first = '', second = '', third = ''] = await queueRuns(one, 3);
  await limit(one, 'max_concurrent_runs', 1);
  await admin.query(
    `UPDATE app.workflow_runs SET status = 'waiting', next_attempt_at = now() - interval '1 s' WHERE id = $1`,
    [first],
  );
  expect(await claim(one, second)).toMatchObject({ status: 'claimed', run: { isCounted: true } });
  expect(await claim(one, first)).toMatchObject({ status: 'held' });
  expect(await claim(one, third)).toMatchObject({ status: 'held' });
  await end(one, second);
  expect((await findStuckRuns(worker, 100)).map(({ runId }) => runId)).toEqual([first]);
  expect(await claim(one, first)).toMatchObject({ status: 'claimed' });
});

it('a run that was lost by its owner is taken over although its organization runs as many as it may', async () => {
  const [runId = ''] = await queueRuns(one, 1);
  await limit(one, 'max_concurrent_runs', 1);
  await claim(one, runId);
  await admin.query(`UPDATE app.workflow_runs SET lease_until = now() - interval '1 s' WHERE id = $1`, [runId]);
  expect(await claim(one, runId)).toMatchObject({ status: 'claimed', run: { lostClaims: 1 } });
});

it('organizations whose held runs are admitted are locked in the order of those who accept runs', async () => {
  const [low, high] = [one.orgId, other.orgId].toSorted();
  const busy = await admin.connect();
  try {
    await busy.query('BEGIN');
    await busy.query('SELECT pg_advisory_xact_lock(app.admission_lock($1))', [low]);
    const admitted = admitHeldRuns(worker, [high ?? '', low ?? '']);
    await untilLockWaits(admin, 'app_worker');
    // Whoever has the lower one may have the higher one, too.
    await busy.query(`SET LOCAL lock_timeout = '1s'; SELECT pg_advisory_xact_lock(app.admission_lock('${high}'))`);
    await busy.query('COMMIT');
    expect(await admitted).toEqual([]);
  } finally {
    busy.release();
  }
});
