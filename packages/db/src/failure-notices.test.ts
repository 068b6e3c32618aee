import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { takeFailureNotices } from './failure-notices.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { seedTenant } from './testing-rows.ts';

const DUE_PER_ORG = 10_000;
const LEASE_SEC = 60;

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let orgIds: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  api = connectDatabase({ url: database.apiUrl, poolSize: 2, applicationName: 'test', onError: () => {} });
  await admin.query('ALTER TABLE app.failure_notices SET (autovacuum_enabled = off)');
  orgIds = [(await seedTenant(admin)).orgId, (await seedTenant(admin)).orgId];
  await admin.query('DELETE FROM app.failure_notices');
  for (const orgId of orgIds) await addDueNotices(orgId);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api)]);
  await database.drop();
});

/** Of workflows of their own, each due for another number of seconds. */
async function addDueNotices(orgId: string): Promise<void> {
  await admin.query(
    `WITH flows AS (
       INSERT INTO app.workflows (org_id, id, name, draft_definition)
       SELECT $1, gen_random_uuid(), 'Flow ' || n, '{}' FROM generate_series(1, $2::integer) n RETURNING id)
     INSERT INTO app.failure_notices (org_id, workflow_id, failed_count, last_run_id, next_attempt_at)
     SELECT $1, id, 1, gen_random_uuid(), now() - row_number() OVER () * interval '1 s' FROM flows`,
    [orgId, DUE_PER_ORG],
  );
}

const take = (limit: number, busyOrgIds: string[] = []) =>
  takeFailureNotices(api, { limit, leaseSec: LEASE_SEC, busyOrgIds });

it('takes of each organization the notice that is due the longest, and none of a busy one', async () => {
  const { rows } = await admin.query<{ orgId: string; workflowId: string }>(
    `SELECT DISTINCT ON (org_id) org_id AS "orgId", workflow_id AS "workflowId" FROM app.failure_notices
     ORDER BY org_id, next_attempt_at`,
  );
  expect(new Set(await take(10))).toEqual(new Set(rows));
  const [first = '', second = ''] = orgIds;
  expect(await take(10, [first])).toMatchObject([{ orgId: second }]);
  expect(await take(10, orgIds)).toEqual([]);
  const [one] = await take(1);
  expect(orgIds).toContain(one?.orgId);
});

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

it.each([false, true])(
  'reads a handful of 20,000 due notices to take two (with statistics: %s)',
  async (isAnalyzed) => {
    if (isAnalyzed) await admin.query('ANALYZE app.failure_notices');
    const scans = (await explainTake()).filter(
      (node) => node['Relation Name'] === 'failure_notices' && node['Node Type'].endsWith('Scan'),
    );
    expect(scans.length).toBeGreaterThan(0);
    expect(scans.filter((scan) => scan['Node Type'] === 'Seq Scan')).toEqual([]);
    const rowsRead = scans.map(
      (scan) => (scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)) * scan['Actual Loops'],
    );
    expect(rowsRead.reduce((sum, rows) => sum + rows, 0)).toBeLessThan(30);
    expect(scans.map((scan) => scan['Index Name'])).toContain('failure_notices_due');
  },
);

/** All nodes of the plan of the function's own statement, as it ran; rolled back. */
async function explainTake(): Promise<Plan[]> {
  const client = await admin.connect();
  try {
    const { rows } = await client.query<{ text: string }>(
      `SELECT prosrc AS text FROM pg_proc WHERE oid = 'sys.take_failure_notices(integer, integer, uuid[])'::regprocedure`,
    );
    const body = rows[0]?.text.replace('p_limit', '50').replace('p_lease', '60').replace('p_busy', `'{}'::uuid[]`);
    await client.query('BEGIN');
    const explained = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${body}`);
    await client.query('ROLLBACK');
    const plan = explained.rows[0]?.['QUERY PLAN'][0].Plan;
    return plan ? flatten(plan) : [];
  } finally {
    client.release(true);
  }
}

const flatten = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flatten)];
