import { deleteOrganization } from '@millrace/shared/contracts/organizations';
import { reportFigure } from '@millrace/shared/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addOrganization, queryAsAdmin } from './testing.ts';

vi.setConfig({ testTimeout: 180_000 }); // seconds alone; the machine may be busy

const RUNS = 200_000;
/** What one statement may delete, far below what its time limit of 60 s allows. */
const MOST_AT_ONCE = 5_000;

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
  for (const statement of [
    `CREATE FUNCTION public.refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF (SELECT count(*) FROM gone) > ${MOST_AT_ONCE} THEN RAISE EXCEPTION 'too many at once'; END IF;
       RETURN NULL;
     END $$`,
    ...['workflow_runs', 'hook_deliveries'].map(
      (table) => `CREATE TRIGGER not_many AFTER DELETE ON app.${table} REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_many()`,
    ),
  ])
    await queryAsAdmin(api, statement, []);
});

afterAll(async () => {
  await api.close();
});

it('deletes an organization with 200,000 runs without a long statement, counts them, and leaves the neighbour', async () => {
  const [large, small] = [await addOrganization(api), await addOrganization(api)];
  await addRuns(large.orgId, RUNS);
  await addRuns(small.orgId, 10);
  for (const { orgId } of [large, small]) await addDeliveries(orgId, 3 * MOST_AT_ONCE);
  const started = performance.now();
  const { status, body, text } = await call(api, deleteOrganization, {
    token: large.owner.token,
    params: { orgId: large.orgId },
    body: { confirm: large.slug },
  });
  const seconds = (performance.now() - started) / 1000;
  expect(status, text).toBe(200);
  expect(body.deleted).toEqual({
    members: 1,
    invitations: 0,
    workflows: 1,
    runs: RUNS,
    variables: 0,
    apiKeys: 0,
    auditEntries: 1,
  });
  const left = await queryAsAdmin(
    api,
    `SELECT org_id AS org, count(*)::integer AS runs FROM app.workflow_run_steps GROUP BY org_id`,
    [],
  );
  expect(left).toEqual([{ org: small.orgId, runs: 10 }]);
  const [deliveries] = await queryAsAdmin(api, 'SELECT count(*)::integer AS count FROM app.hook_deliveries', []);
  expect(deliveries).toEqual({ count: 3 * MOST_AT_ONCE });
  reportFigure(
    'Delete an organization',
    `${RUNS} runs with a step each in ${seconds.toFixed(1)} s, at most ${MOST_AT_ONCE} in one statement`,
  );
});

it('deletes nothing of a large organization without the right confirmation', async () => {
  const { orgId, owner } = await addOrganization(api);
  await addRuns(orgId, 6_000);
  const { status } = await call(api, deleteOrganization, {
    token: owner.token,
    params: { orgId },
    body: { confirm: 'something-else' },
  });
  expect(status).toBe(400);
  const [left] = await queryAsAdmin(api, 'SELECT count(*)::integer AS runs FROM app.workflow_runs WHERE org_id = $1', [
    orgId,
  ]);
  expect(left).toEqual({ runs: 6_000 });
});

/** Ended runs of a new workflow, with a step each, in portions that a busy machine inserts in time. */
async function addRuns(orgId: string, count: number): Promise<void> {
  const insert = (text: string) => queryAsAdmin(api, text, [orgId]);
  await insert(`INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status)
    VALUES ($1, gen_random_uuid(), 'Flow', '{}', 1, 'published')`);
  await insert(`INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition)
    SELECT org_id, id, 1, '{}' FROM app.workflows WHERE org_id = $1`);
  for (let left = count; left > 0; left -= 20_000)
    await insert(`WITH runs AS (
        INSERT INTO app.workflow_runs
          (org_id, id, workflow_id, version, trigger_type, status, next_sweep_at, finished_at, input)
        SELECT org_id, gen_random_uuid(), id, 1, 'trigger.manual', 'succeeded', NULL, now(), '{"n": 1}'
        FROM app.workflows, generate_series(1, ${Math.min(left, 20_000)}) WHERE org_id = $1
        RETURNING org_id, id)
      INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status)
      SELECT org_id, id, 'one', 'transform', 'succeeded' FROM runs`);
}

/** Accepted requests to the organization's workflow, whose runs were made. */
async function addDeliveries(orgId: string, count: number): Promise<void> {
  await queryAsAdmin(
    api,
    `INSERT INTO app.hook_deliveries
       (org_id, id, workflow_id, version, run_id, max_attempts, next_sweep_at, expires_at)
     SELECT org_id, gen_random_uuid(), id, 1, gen_random_uuid(), 1, NULL, now() + interval '1 day'
     FROM app.workflows, generate_series(1, $2) WHERE org_id = $1`,
    [orgId, count],
  );
}
