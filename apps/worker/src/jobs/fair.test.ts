import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startPlatform, type TestPlatform } from '../testing.ts';

const QUEUED = 400;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(process.env.MILLRACE_TEST_REDIS_URL ?? '');
});
afterAll(() => platform.close());

const DOCUMENT = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: 1 } }],
};

/** An organization with runs held behind its window, as if all had been accepted while no worker ran. */
async function fill(weight: number, queued = QUEUED): Promise<string> {
  const { pool } = platform.admin;
  const [orgId, workflowId] = [newId(), newId()];
  await pool.query('INSERT INTO app.organizations (id, slug, name) VALUES ($1, $2, $2)', [orgId, orgId]);
  await pool.query('INSERT INTO app.org_run_limits (org_id, weight) VALUES ($1, $2)', [orgId, weight]);
  await pool.query(
    `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
     VALUES ($1, $2, 'Flow', $3, 1, 'published', now())`,
    [orgId, workflowId, JSON.stringify(DOCUMENT)],
  );
  await pool.query(
    'INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, $3)',
    [orgId, workflowId, JSON.stringify(DOCUMENT)],
  );
  await pool.query(
    `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, held_by, next_sweep_at)
     SELECT $1, uuidv7(), $2, 1, 'trigger.manual', 'organization', NULL FROM generate_series(1, $3)`,
    [orgId, workflowId, queued],
  );
  return orgId;
}

async function count(orgId: string, condition: string): Promise<number> {
  const { rows } = await platform.admin.pool.query(
    `SELECT count(*)::int AS count FROM app.workflow_runs WHERE org_id = $1 AND ${condition}`,
    [orgId],
  );
  return rows[0].count;
}

test('two workers serve organizations by weight, each one in order, and end all', { timeout: 120_000 }, async () => {
  const [light, heavy] = [await fill(1), await fill(3)];
  const env = { WORKFLOW_QUEUE_CONCURRENCY: '4', ORG_ADMISSION_WINDOW: '8', SWEEP_INTERVAL_MS: '100' };
  await Promise.all([platform.startWorker(env), platform.startWorker(env)]);
  const started = 'started_at IS NOT NULL';
  await eventually(
    async () => (await count(heavy, started)) === QUEUED && (await count(light, started)) === QUEUED,
    () => 'all runs start',
    100_000,
  );
  // When the heavy one had started all, the light one had started about a third.
  const { rows } = await platform.admin.pool.query<{ share: number; outOfOrder: number }>(
    `SELECT count(*) FILTER (WHERE started_at <= (SELECT max(started_at) FROM app.workflow_runs WHERE org_id = $2))::float8
         / $3 AS share,
       (SELECT avg(abs(place - turn))::float8 FROM (
          SELECT row_number() OVER (PARTITION BY org_id ORDER BY id) AS place,
            row_number() OVER (PARTITION BY org_id ORDER BY started_at, id) AS turn
          FROM app.workflow_runs) AS runs) AS "outOfOrder"
     FROM app.workflow_runs WHERE org_id = $1`,
    [light, heavy, QUEUED],
  );
  expect(rows[0]?.share).toBeGreaterThan(0.2);
  expect(rows[0]?.share).toBeLessThan(0.55);
  // In order, but for those that the workers had in hand at the same moment.
  expect(rows[0]?.outOfOrder).toBeLessThan(24);
  await eventually(
    async () => (await count(light, 'finished_at IS NULL')) + (await count(heavy, 'finished_at IS NULL')) === 0,
    () => 'all runs end',
    60_000,
  );
});

test('whoever has ten thousand runs queued delays a neighbour by a window of them', { timeout: 60_000 }, async () => {
  const [crowd, few] = [await fill(1, 10_000), await fill(1, 20)];
  await eventually(
    async () => (await count(few, 'finished_at IS NOT NULL')) === 20,
    () => 'the few end',
    50_000,
  );
  const { rows } = await platform.admin.pool.query<{ overtook: number; left: number }>(
    `SELECT count(*) FILTER (WHERE started_at BETWEEN b.first AND b.last)::int AS overtook,
       count(*) FILTER (WHERE started_at IS NULL OR started_at > b.last)::int AS left
     FROM app.workflow_runs, LATERAL (
       SELECT min(started_at) AS first, max(started_at) AS last FROM app.workflow_runs WHERE org_id = $2) AS b
     WHERE org_id = $1`,
    [crowd, few],
  );
  // One of the crowd for each of the few, and what both windows and the workers' hands hold.
  expect(rows[0]?.overtook).toBeLessThan(100);
  expect(rows[0]?.left).toBeGreaterThan(0);
});
