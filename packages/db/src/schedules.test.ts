import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { findDueOrgs, fireSchedules, msUntilNextTick, storeSchedule } from './schedules.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { untilLockWaits } from './testing-locks.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

const FIRST = '00000000-0000-0000-0000-000000000000';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let worker: Database;
let tenant: SeededTenant;
/** A whole minute half an hour ago: no tick comes while the tests run. */
let last: Date;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  const connect = (url: string) =>
    connectDatabase({ url, poolSize: 10, applicationName: 'schedules-test', onError: () => {} });
  last = (await admin.query(`SELECT date_trunc('minute', now()) - interval '30 min' AS at`)).rows[0].at;
  [api, worker] = [connect(database.apiUrl), connect(database.workerUrl)];
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api), closeDatabase(worker)]);
  await database.drop();
});
beforeEach(async () => {
  await admin.query('DELETE FROM app.workflow_schedules');
  tenant = await seedTenant(admin);
});

/** The ticks of an hourly schedule; 0 is the last one. */
const hour = (from: number) => new Date(last.getTime() + from * 3_600_000);
const hourly = () => `${last.getUTCMinutes()} * * * *`;

const schedule = (more: object = {}) => ({
  ...({ expression: hourly(), timeZone: 'UTC', catchUp: 'last' } as const),
  ...more,
});

/** Starts an hourly schedule and moves it back, as if everything had been down since. */
async function startSchedule(hoursAgo: number, more: object = {}): Promise<void> {
  const workflow = { workflowId: tenant.workflowId, version: 1, maxAttempts: 4 };
  await withOrg(api, tenant.orgId, (tx) => storeSchedule(tx, workflow, schedule(more)));
  await moveTo(hour(-hoursAgo));
}

async function moveTo(time: Date): Promise<void> {
  await admin.query('UPDATE app.workflow_schedules SET next_fire_at = $2 WHERE org_id = $1', [tenant.orgId, time]);
}

async function ticksFired(): Promise<Date[]> {
  const { rows } = await admin.query<{ at: Date }>(
    `SELECT scheduled_at AS at FROM app.workflow_runs WHERE org_id = $1 AND scheduled_at IS NOT NULL ORDER BY 1`,
    [tenant.orgId],
  );
  return rows.map((row) => row.at);
}

async function nextFireAt(): Promise<Date | null> {
  const { rows } = await admin.query('SELECT next_fire_at AS at FROM app.workflow_schedules WHERE org_id = $1', [
    tenant.orgId,
  ]);
  return rows[0]?.at ?? null;
}

describe('a tick', () => {
  it('that finds the queue full leaves a cancelled run that says so, and is not made up for', async () => {
    await admin.query('UPDATE app.org_run_limits SET max_queued_runs = 1 WHERE org_id = $1', [tenant.orgId]);
    await startSchedule(2, { catchUp: 'all' });
    const fired = await fireSchedules(worker, tenant.orgId);
    expect(fired.runs).toHaveLength(1);
    expect(fired.dropped).toEqual(Array(2).fill({ orgId: tenant.orgId, workflowId: tenant.workflowId, count: 1 }));
    expect(await fireSchedules(api, tenant.orgId)).toMatchObject({ handledCount: 0, runs: [] });
    expect(await ticksFired()).toEqual([hour(-2), hour(-1), hour(0)]);
    const { rows } = await admin.query(
      `SELECT status, error ->> 'code' AS code FROM app.workflow_runs WHERE scheduled_at IS NOT NULL AND org_id = $1
       ORDER BY scheduled_at`,
      [tenant.orgId],
    );
    const refused = { status: 'cancelled', code: 'RUN_LIMIT_EXCEEDED' };
    expect(rows).toEqual([{ status: 'queued', code: null }, refused, refused]);
  });

  it('makes one run, whoever fires at the same time: 40 calls by API and worker', async () => {
    await startSchedule(3);
    const fired = await Promise.all(
      Array.from({ length: 40 }, (_, index) => fireSchedules(index % 2 === 0 ? api : worker, tenant.orgId)),
    );
    const runs = fired.flatMap((one) => one.runs);
    expect(runs).toMatchObject([{ orgId: tenant.orgId, workflowId: tenant.workflowId, runId: expect.any(String) }]);
    expect(await ticksFired()).toEqual([hour(0)]);
    expect(await nextFireAt()).toEqual(hour(1));
    const { rows } = await admin.query('SELECT * FROM app.workflow_runs WHERE org_id = $1 AND id = $2', [
      ...[tenant.orgId, runs[0]?.runId],
    ]);
    expect(rows).toMatchObject([
      {
        ...{ status: 'queued', trigger_type: 'trigger.cron', requested_by_user_id: null, version: 1, max_attempts: 4 },
        input: { scheduledAt: hour(0).toISOString(), timeZone: 'UTC', expression: hourly() },
      },
    ]);
  });

  it('makes no second run when the clock goes back or the schedule is stored anew', async () => {
    await startSchedule(3);
    expect((await fireSchedules(api, tenant.orgId)).runs).toHaveLength(1);
    await moveTo(hour(0));
    expect((await fireSchedules(worker, tenant.orgId)).runs).toEqual([]);
    expect(await ticksFired()).toEqual([hour(0)]);
    expect(await nextFireAt()).toEqual(hour(1));
  });

  it('stays due when its process dies in the middle of firing it', async () => {
    await startSchedule(0);
    const client = await admin.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM app.workflows WHERE org_id = $1 FOR UPDATE', [tenant.orgId]);
    const firing = fireSchedules(worker, tenant.orgId).catch((error: unknown) => error);
    await untilLockWaits(admin, 'app_worker');
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_worker'
      AND wait_event_type = 'Lock' AND datname = current_database()`);
    expect(await firing).toBeInstanceOf(Error);
    await client.query('COMMIT');
    client.release();
    expect(await ticksFired()).toEqual([]);
    expect((await fireSchedules(worker, tenant.orgId)).runs).toHaveLength(1);
    expect(await ticksFired()).toEqual([hour(0)]);
  });

  it('is not fired before its time', async () => {
    await startSchedule(-1);
    expect(await findDueOrgs(worker, FIRST, 10)).toEqual([]);
    expect((await fireSchedules(worker, tenant.orgId)).runs).toEqual([]);
    const ms = await msUntilNextTick(worker);
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThanOrEqual(3_600_000);
  });
});

describe('what was missed', () => {
  it.each([
    { catchUp: 'none', ticks: [] },
    { catchUp: 'last', ticks: [0] },
    { catchUp: 'all', ticks: [-3, -2, -1, 0] },
  ])('is treated as "$catchUp" says', async ({ catchUp, ticks }) => {
    await startSchedule(3, { catchUp });
    await fireSchedules(worker, tenant.orgId);
    expect(await ticksFired()).toEqual(ticks.map(hour));
    expect(await nextFireAt()).toEqual(hour(1));
  });

  it('is made up for by at most 100 runs, and how many are dropped is told', async () => {
    await startSchedule(150, { catchUp: 'all' });
    const { runs, dropped } = await fireSchedules(worker, tenant.orgId);
    expect(runs).toHaveLength(100);
    expect(dropped).toEqual([{ orgId: tenant.orgId, workflowId: tenant.workflowId, count: 51 }]);
    expect([(await ticksFired()).at(0), (await ticksFired()).at(-1)]).toEqual([hour(-99), hour(0)]);
  });
});

it('a schedule that cannot be read holds up no other, is told and tried again in an hour', async () => {
  await startSchedule(0, { catchUp: 'all' });
  await admin.query(`UPDATE app.workflow_schedules SET time_zone = 'Atlantis/Capital' WHERE org_id = $1`, [
    tenant.orgId,
  ]);
  const [other] = await addSchedules(tenant, 1);
  const { runs, broken } = await fireSchedules(worker, tenant.orgId);
  expect(runs.map((run) => run.workflowId)).toEqual([other]);
  expect(broken).toMatchObject([{ workflowId: tenant.workflowId, error: expect.stringContaining('Atlantis') }]);
  expect((await fireSchedules(worker, tenant.orgId)).broken).toEqual([]);
});

it('storing an unchanged schedule keeps what is due, a changed one starts from now', async () => {
  await startSchedule(2);
  const workflow = { workflowId: tenant.workflowId, version: 1, maxAttempts: 1 };
  await withOrg(api, tenant.orgId, (tx) => storeSchedule(tx, workflow, schedule({ catchUp: 'all' })));
  expect(await nextFireAt()).toEqual(hour(-2));
  await withOrg(api, tenant.orgId, (tx) => storeSchedule(tx, workflow, schedule({ expression: '0 0 1 1 *' })));
  expect((await nextFireAt())?.toISOString()).toMatch(/-01-01T00:00:00.000Z$/);
});

it('an organization with 10,000 schedules due holds up no other: each has its turn before anyone has another', async () => {
  const others = await Promise.all([seedTenant(admin), seedTenant(admin), seedTenant(admin)]);
  await admin.query('DELETE FROM app.workflow_schedules');
  await addSchedules(tenant, 10_000);
  for (const other of others) await addSchedules(other, 1);
  let after = FIRST;
  const turns: string[] = [];
  for (let pass = 0; pass < 4; pass += 1) {
    const orgIds = await findDueOrgs(worker, after, 2);
    for (const orgId of orgIds) {
      turns.push(orgId);
      const started = performance.now();
      const { runs } = await fireSchedules(worker, orgId);
      expect(runs.length).toBe(orgId === tenant.orgId ? 20 : 1);
      expect(performance.now() - started).toBeLessThan(5_000);
    }
    after = orgIds.at(-1) ?? after;
  }
  expect(new Set(turns.slice(0, 4))).toEqual(new Set([tenant.orgId, ...others.map(({ orgId }) => orgId)]));
  expect(turns.slice(4)).toEqual([tenant.orgId, tenant.orgId]);
});

describe('whoever deletes while ticks are fired', () => {
  it.each([
    ['a workflow', 'DELETE FROM app.workflows WHERE org_id = $1'],
    ['an organization', 'DELETE FROM app.organizations WHERE id = $1'],
  ])('%s, is never the one to give way', async (_what, statement) => {
    await startSchedule(0);
    const client = await admin.connect();
    await client.query('BEGIN');
    const table = statement.includes('organizations') ? 'organizations WHERE id' : 'workflows WHERE org_id';
    await client.query(`SELECT FROM app.${table} = $1 FOR UPDATE`, [tenant.orgId]);
    const firing = fireSchedules(worker, tenant.orgId).catch((error: unknown) => error);
    await untilLockWaits(admin, 'app_worker');
    await client.query(statement, [tenant.orgId]);
    await client.query('COMMIT');
    client.release();
    expect(await firing).toBeInstanceOf(Error);
    expect(await findDueOrgs(worker, FIRST, 10)).toEqual([]);
  });
});

/** More workflows of the tenant, each with a schedule that is due now. */
async function addSchedules({ orgId }: SeededTenant, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  const insert = (text: string, ...more: unknown[]) => admin.query(text, [orgId, ids, ...more]);
  await insert(`INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status)
    SELECT $1, id, 'Flow', '{}', 1, 'published' FROM unnest($2::uuid[]) id`);
  await insert(`INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition)
    SELECT $1, id, 1, '{}' FROM unnest($2::uuid[]) id`);
  await insert(
    `INSERT INTO app.workflow_schedules
      (org_id, workflow_id, version, expression, time_zone, catch_up, max_attempts, next_fire_at)
    SELECT $1, id, 1, $3, 'UTC', 'last', 1, $4 FROM unnest($2::uuid[]) id`,
    ...[hourly(), last],
  );
  return ids;
}
