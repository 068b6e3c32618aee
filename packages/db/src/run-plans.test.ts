import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedQueuedRun, seedTenant } from './testing-rows.ts';

/** What a call reads must not depend on what the planner happened to know when the connection planned it. */

const ENDED = 20_000;
const HELD = 2_000;
const WORKING = 2_000;

let database: TestDatabase;
/** Of one connection: transactions are made of its queries. */
let admin: pg.Pool;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 1 });
  tenant = await seedTenant(admin);
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

/** Of runs, by this connection; hot: without any entry in an index. */
async function countWritten(): Promise<{ updated: number; hot: number }> {
  const { rows } = await admin.query(
    `SELECT n_tup_upd::integer AS updated, n_tup_hot_upd::integer AS hot FROM pg_stat_xact_user_tables
     WHERE relid = 'app.workflow_runs'::regclass`,
  );
  return rows[0];
}

/** What is done meanwhile is taken back. */
async function inVain<Result>(role: string, work: () => Promise<Result>): Promise<Result> {
  await admin.query('BEGIN');
  try {
    await admin.query(`SET LOCAL ROLE ${role}`);
    await admin.query(`SELECT set_config('app.current_org_id', $1, true)`, [tenant.orgId]);
    return await work();
  } finally {
    await admin.query('ROLLBACK');
  }
}

/** Rows of runs, and entries of their indexes, that a call looks at. */
const readBy = (role: string, call: string, values: unknown[]) =>
  inVain(role, async () => {
    const before = await countRead();
    await admin.query(`SELECT * FROM ${call}`, values);
    return (await countRead()) - before;
  });

/** Pages that a call looks at: an index is read through for entries that nobody counts. */
const countPages = (call: string) =>
  inVain('app_worker', async () => {
    const { rows } = await admin.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ${call}`);
    const plan = rows[0]['QUERY PLAN'][0].Plan;
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  });

/** Ended and held runs, and one that is admitted. */
async function fill(): Promise<string> {
  await admin.query(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, status, held_by, finished_at, next_sweep_at,
        created_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', CASE WHEN n > $3 THEN 'queued' ELSE 'succeeded' END,
       CASE WHEN n > $3 THEN 'organization' END, CASE WHEN n <= $3 THEN now() END, NULL,
       now() - n * interval '1 ms'
     FROM generate_series(1, $3::integer + $4::integer) AS n`,
    [tenant.orgId, tenant.workflowId, ENDED, HELD],
  );
  const { rows } = await admin.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type)
     VALUES ($1, uuidv7(), $2, 1, 'trigger.manual') RETURNING id`,
    [tenant.orgId, tenant.workflowId],
  );
  return rows[0]?.id;
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
  const runId = rows[Math.floor(count / 2)]?.id;
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

/** Pages that each of the calls for so many runs looks at; their plans stay with the connection. */
async function readForRuns(count: number): Promise<Record<string, number>> {
  const [claims, records] = [[], []] as object[][];
  const step = { stepKey: 's', type: 'transform', status: 'succeeded', attempt: 1 };
  for (let n = 0; n < count; n += 1) {
    claims?.push({ orgId: tenant.orgId, runId: await seedQueuedRun(admin, tenant), leaseMs: 60_000 });
    records?.push({ ...endOf((await begin(1)).runId), steps: [step], entries: [{}] });
  }
  const [claim, record] = [JSON.stringify(claims), JSON.stringify(records)];
  return {
    claim: await countPages(`app.claim_runs('${claim}', 0)`),
    record: await countPages(`app.record_runs('${record}')`),
    heartbeat: await countPages(`app.heartbeat_runs('${claim}')`),
  };
}

/** For the runs that are admitted, as a worker sends them. */
async function nextClaims(): Promise<string> {
  const { rows } = await admin.query(
    `SELECT jsonb_agg(jsonb_build_object('orgId', org_id, 'runId', id, 'leaseMs', 60000)) AS claims FROM (
       SELECT org_id, id FROM app.workflow_runs WHERE status = 'queued' AND held_by IS NULL ORDER BY id LIMIT 2) AS admitted`,
  );
  return JSON.stringify(rows[0].claims);
}

async function heldCount(): Promise<number> {
  const { rows } = await admin.query(
    'SELECT count(*)::integer AS count FROM app.workflow_runs WHERE held_by IS NOT NULL',
  );
  return rows[0]?.count;
}

const claimNext = async () => admin.query('SELECT FROM app.claim_runs($1::jsonb, 2)', [await nextClaims()]);
const countPagesOfNextClaims = async () => countPages(`app.claim_runs('${await nextClaims()}', 2)`);

it('a connection that began in a young database looks at no more once an organization has many runs', async () => {
  await readForRuns(1);
  const before = await readForRuns(20);
  await fill();
  expectFew(await readForRuns(1), 200);
  for (const [call, count] of Object.entries(await readForRuns(20)))
    expect({ call, count, isAsMuch: count < 2 * (before[call] ?? 0) }).toMatchObject({ isAsMuch: true });
});

it('whoever claims, admits or stores a run looks at as many runs as a window has, however many there are', async () => {
  await admin.query('DELETE FROM app.workflow_runs');
  await admin.query('VACUUM app.workflow_runs');
  const admitted = await fill();
  await admin.query('ANALYZE app.workflow_runs');
  await admin.query('DISCARD PLANS');
  const claims = JSON.stringify([{ orgId: tenant.orgId, runId: admitted, leaseMs: 60_000 }]);
  const counts = {
    claim: await readBy('app_worker', 'app.claim_runs($1::jsonb, 32)', [claims]),
    admit: await readBy('app_worker', 'app.admit_runs($1, 32)', [tenant.orgId]),
    room: await readBy('app_api', 'app.queue_room($1, 1, 32, 100000)', [tenant.orgId]),
  };
  expectFew(counts, 400);
});

it('a claim stays on its page and writes no index entry', async () => {
  const queued = await seedQueuedRun(admin, tenant);
  const claims = JSON.stringify([{ orgId: tenant.orgId, runId: queued, leaseMs: 60_000 }]);
  const written = await inVain('app_worker', async () => {
    const before = await countWritten();
    await admin.query('SELECT FROM app.claim_runs($1::jsonb, 0)', [claims]);
    const after = await countWritten();
    return { updated: after.updated - before.updated, hot: after.hot - before.hot };
  });
  expect(written).toEqual({ updated: 1, hot: 1 });
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
  // A limit of 100 running runs reads so many of those at work, and none that ended.
  expectFew({ running: await readBy('app_worker', 'app.count_running($1, 100)', [tenant.orgId]) }, 400);
});

/** As whoever stores a run asks for it, from the oldest queued one that the last look found. */
async function countPagesOfRoom(): Promise<number> {
  const room = `app.queue_room('${tenant.orgId}', 1, 2, 100000`;
  const { queued_from: from } = await inVain('app_api', async () => {
    const { rows } = await admin.query(`SELECT queued_from FROM ${room})`);
    return rows[0];
  });
  return countPages(`${room}, '${from}')`);
}

it('while a dump keeps what is over in the indexes, who claims or stores a run looks at no more of it', async () => {
  await admin.query('DELETE FROM app.workflow_runs');
  await admin.query('VACUUM app.workflow_runs');
  await fill();
  const dump = new pg.Client({ connectionString: database.adminUrl });
  await dump.connect();
  try {
    await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await dump.query('SELECT count(*) FROM app.workflow_runs');
    for (let round = 0; round < 3; round++) await claimNext();
    const first = await countPagesOfNextClaims();
    const firstRoom = await countPagesOfRoom();
    for (let round = 0; round < 800; round++) await claimNext();
    // One in fifty looks at all.
    const later = [await countPagesOfNextClaims(), await countPagesOfNextClaims(), await countPagesOfNextClaims()];
    expect({ first, later, isAsMuch: Math.min(...later) < first * 1.3 }).toMatchObject({ isAsMuch: true });
    const laterRoom = [await countPagesOfRoom(), await countPagesOfRoom(), await countPagesOfRoom()];
    const isAsMuch = Math.min(...laterRoom) < firstRoom * 1.3;
    expect({ firstRoom, laterRoom, isAsMuch }).toMatchObject({ isAsMuch: true });

    while ((await heldCount()) > 0) await claimNext();
    await seedQueuedRun(admin, tenant);
    const emptyRoom = [await countPagesOfRoom(), await countPagesOfRoom(), await countPagesOfRoom()];
    expect({ firstRoom, emptyRoom, isAsMuch: Math.min(...emptyRoom) < firstRoom * 2 }).toMatchObject({
      isAsMuch: true,
    });
  } finally {
    await dump.end();
  }
});
