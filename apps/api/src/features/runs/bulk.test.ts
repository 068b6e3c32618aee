import type { Database } from '@millrace/db/connect';
import { type ClaimedRun, claimRun, recordRun } from '@millrace/db/run-ownership';
import { withOrg } from '@millrace/db/tenant';
import type { TestRedis } from '@millrace/queue/testing';
import { type BulkResult, cancelRuns, retryRuns } from '@millrace/shared/contracts/bulk-runs';
import { cancelRun, createRun, retryRun } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, createOrg, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { flowOf, openRunScene, publishFlow, type RunScene } from './testing.ts';

const DSL = flowOf('one', 'two');
const STATE = { format: 1, status: 'failed', steps: { one: { status: 'succeeded', attempt: 1 } }, edges: [] };

let scene: RunScene;
let api: TestApi;
let redis: TestRedis;
let worker: Database;
let admin: pg.Client;
let owner: TestUser;
let orgId: string;
let workflowId: string;

beforeAll(async () => {
  scene = await openRunScene();
  ({ api, redis, worker, admin, owner } = scene);
});
afterAll(() => scene.close());

beforeEach(async () => {
  orgId = await createOrg(api, owner);
  workflowId = await publish(orgId, 'Orders');
});

const publish = (org: string, name: string, dsl: object = DSL) => publishFlow({ ...scene, orgId: org }, dsl, name);

/** Rows as a worker leaves them behind. */
async function seed(count: number, status: string, of = { orgId, workflowId }): Promise<string[]> {
  const hasEnded = ['succeeded', 'failed', 'cancelled'].includes(status);
  const { rows } = await admin.query<{ id: string }>(
    `INSERT INTO app.workflow_runs
       (org_id, id, workflow_id, version, trigger_type, input, status, state, next_sweep_at, finished_at)
     SELECT $1, gen_random_uuid(), $2, 1, 'trigger.manual', '{"n": 1}', $3, $4, NULL, CASE WHEN $5 THEN now() END
     FROM generate_series(1, $6) RETURNING id`,
    [of.orgId, of.workflowId, status, hasEnded ? STATE : null, hasEnded, count],
  );
  return rows.map(({ id }) => id);
}

async function statusCounts(org = orgId): Promise<Record<string, number>> {
  const { rows } = await admin.query(
    'SELECT status, count(*)::integer AS count FROM app.workflow_runs WHERE org_id = $1 GROUP BY status',
    [org],
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

async function auditEntries() {
  const { rows } = await admin.query(
    `SELECT action, data FROM app.audit_log WHERE org_id = $1 AND action LIKE 'run.%' ORDER BY seq`,
    [orgId],
  );
  return rows;
}

type Bulk = typeof cancelRuns | typeof retryRuns;
const send = (contract: Bulk, body: object, headers = {}) =>
  call(api, contract, { params: { orgId }, token: owner.token, body, headers });

async function sendAll(contract: Bulk, body: object): Promise<BulkResult[]> {
  const answers: BulkResult[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const answer = await send(contract, { ...body, ...(cursor && { cursor }) });
    expect(answer.status).toBe(200);
    answers.push(answer.body);
    cursor = answer.body.nextCursor;
  }
  return answers;
}

const sumOf = (answers: BulkResult[]) => answers.reduce((sum, { done }) => sum + done, 0);
const NOTHING = { matched: 0, done: 0, skipped: [], nextCursor: null };

async function claim(runId: string): Promise<ClaimedRun> {
  const answer = await claimRun(worker, { orgId, runId, leaseMs: 60_000 });
  if (answer.status !== 'claimed') throw new Error(`expected a claim, got ${answer.status}`);
  return answer.run;
}

describe('POST /v1/orgs/:orgId/runs/cancel', () => {
  it('cancels 2,000 runs in bounded portions, with their steps and timelines, and nobody else’s', async () => {
    await seed(1_950, 'queued');
    await seed(50, 'waiting');
    await seed(3, 'succeeded');
    const otherOrg = await createOrg(api, owner);
    await seed(5, 'queued', { orgId: otherOrg, workflowId: await publish(otherOrg, 'Orders') });
    expect((await send(cancelRuns, { filter: {}, dryRun: true })).body).toEqual({ ...NOTHING, matched: 2_000 });
    const answers = await sendAll(cancelRuns, { filter: {} });
    expect(answers.length).toBeGreaterThan(1);
    expect(sumOf(answers)).toBe(2_000);
    expect(answers.every(({ matched, done }) => matched === done && matched <= 1_000)).toBe(true);
    expect(await statusCounts()).toEqual({ cancelled: 2_000, succeeded: 3 });
    expect(await statusCounts(otherOrg)).toEqual({ queued: 5 });
    const { rows } = await admin.query(
      `SELECT count(*)::integer AS steps,
         (SELECT count(*)::integer FROM app.workflow_run_events WHERE org_id = $1
          AND entries = jsonb_build_array(jsonb_build_object('type', 'run.cancel_requested', 'by', $2::text))) AS events
       FROM app.workflow_run_steps WHERE org_id = $1 AND status = 'cancelled'`,
      [orgId, owner.id],
    );
    expect(rows).toEqual([{ steps: 4_000, events: 2_000 }]);
    expect(
      api.logLines.filter(({ event, orgId: of }) => event === 'workflow_run_cancelled' && of === orgId),
    ).toHaveLength(2_000);
    expect((await auditEntries())[0]).toEqual({ action: 'run.bulk_cancel', data: { filter: {}, matched: 1_000 } });
    expect(await auditEntries()).toHaveLength(answers.length);
  });

  it('keeps to the filter and to its limit, newest first, and goes on behind the cursor', async () => {
    const other = await publish(orgId, 'Invoices');
    const [queued, waiting] = [await seed(3, 'queued'), await seed(2, 'waiting')];
    await seed(2, 'queued', { orgId, workflowId: other });
    const first = await send(cancelRuns, { filter: { search: 'order', status: 'queued' }, limit: 2 });
    expect(first.body).toMatchObject({ matched: 2, done: 2, nextCursor: expect.any(String) });
    const rest = await send(cancelRuns, {
      filter: { search: 'order', status: 'queued' },
      cursor: first.body.nextCursor,
    });
    expect(rest.body).toEqual({ ...NOTHING, matched: 1, done: 1 });
    expect(await statusCounts()).toEqual({ cancelled: 3, queued: 2, waiting: 2 });
    expect((await send(cancelRuns, { filter: { workflowId: other, to: '2020-01-01T00:00:00Z' } })).body).toEqual(
      NOTHING,
    );
    expect((await send(cancelRuns, { filter: { search: waiting[0] } })).body.done).toBe(1);
    expect((await send(cancelRuns, { filter: { search: queued[0] } })).body).toEqual(NOTHING);
  });

  it('refuses a status that no such run can have, an unknown cursor, and a body without a filter', async () => {
    for (const body of [
      { filter: { status: 'failed' } },
      { filter: {}, cursor: 'x' },
      {},
      { filter: {}, limit: 1_001 },
    ])
      expect((await send(cancelRuns, body)).status).toBe(400);
    expect((await send(retryRuns, { filter: { status: 'queued' } })).status).toBe(400);
  });

  it('tells the owners of runs, ends what ended meanwhile in neither way twice, and works without Redis', async () => {
    const ids = await seed(40, 'queued');
    const claims = await Promise.all(ids.slice(0, 20).map(claim));
    await redis.kill();
    try {
      const ends = claims.slice(0, 10).map(async ({ runId, leaseToken }) => {
        const base = { orgId, runId, workflowId, leaseToken, leaseMs: 60_000, attemptCount: 1 };
        return recordRun(worker, {
          recordId: newId(),
          ...base,
          status: 'succeeded',
          nextAttemptAt: null,
          steps: [],
          release: true,
        });
      });
      const [{ status, body }] = await Promise.all([send(cancelRuns, { filter: {} }), ...ends]);
      expect(status).toBe(200);
      expect(body.matched).toBe(body.done + body.skipped.reduce((sum, { count }) => sum + count, 0));
      expect(body.done).toBeGreaterThanOrEqual(30);
      for (const { code } of body.skipped) expect(code).toBe('CONFLICT');
      expect(await statusCounts()).toEqual({ cancelled: 20, running: 10, succeeded: 10 });
      const { rows } = await admin.query(
        `SELECT count(*)::integer AS told FROM app.workflow_run_signals s JOIN app.workflow_runs r
           ON r.org_id = s.org_id AND r.id = s.run_id AND r.status = 'running' WHERE s.org_id = $1`,
        [orgId],
      );
      expect(rows).toEqual([{ told: 10 }]);
    } finally {
      await scene.restartRedis();
    }
  });
});

describe('POST /v1/orgs/:orgId/runs/retry', () => {
  it('retries each failed or cancelled run once, with what had finished, and none that was retried already', async () => {
    const failed = await seed(30, 'failed');
    await seed(3, 'succeeded');
    await seed(2, 'queued');
    await admin.query(
      `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status, output, started_at, finished_at)
       SELECT $1, id, 'one', 'transform', 'succeeded', '"done"', now(), now() FROM unnest($2::uuid[]) AS id`,
      [orgId, failed],
    );
    const single = await call(api, retryRun, {
      params: { orgId, workflowId, runId: failed[0] ?? '' },
      token: owner.token,
    });
    expect(single.status).toBe(201);
    expect((await send(retryRuns, { filter: {}, dryRun: true })).body.matched).toBe(29);
    const answers = await Promise.all([sendAll(retryRuns, { filter: {} }), sendAll(retryRuns, { filter: {} })]);
    expect(sumOf(answers.flat())).toBe(29);
    for (const { code, message } of answers.flat().flatMap(({ skipped }) => skipped))
      expect([code, message]).toEqual(['CONFLICT', 'This run was retried already.']);
    const { rows } = await admin.query(
      `SELECT r.retry_of_run_id AS of, s.output FROM app.workflow_runs r JOIN app.workflow_run_steps s
         ON s.org_id = r.org_id AND s.run_id = r.id AND s.step_key = 'one'
       WHERE r.org_id = $1 AND r.retry_of_run_id IS NOT NULL AND r.requested_by_user_id = $2`,
      [orgId, owner.id],
    );
    expect(rows.map(({ of }) => of).sort()).toEqual([...failed].sort());
    expect(rows.every(({ output }) => output === 'done')).toBe(true);
    expect(await statusCounts()).toEqual({ failed: 30, succeeded: 3, queued: 32 });
    expect((await send(retryRuns, { filter: {} })).body).toEqual(NOTHING);
    expect((await auditEntries())[0]).toMatchObject({ action: 'run.bulk_retry', data: { filter: {}, latest: false } });
  });

  it('says by reason what it left alone, and retries the others', async () => {
    const inputSchema = { type: 'object', required: ['m'] };
    const picky = await publish(orgId, 'Picky', {
      ...DSL,
      trigger: { type: 'trigger.manual', config: { inputSchema } },
    });
    const disabled = await publish(orgId, 'Disabled');
    await seed(2, 'failed', { orgId, workflowId: picky });
    await seed(3, 'cancelled', { orgId, workflowId: disabled });
    await seed(4, 'failed');
    await call(api, workflows.disableWorkflow, { params: { orgId, workflowId: disabled }, token: owner.token });
    const { body } = await send(retryRuns, { filter: {}, latest: true });
    expect(body).toMatchObject({ matched: 9, done: 4, nextCursor: null });
    expect(body.skipped).toHaveLength(2);
    expect(body.skipped).toEqual(
      expect.arrayContaining([
        { code: 'BAD_REQUEST', message: expect.any(String), count: 2 },
        { code: 'CONFLICT', message: expect.stringContaining('disabled'), count: 3 },
      ]),
    );
  });

  it('goes on behind the cursor, also behind runs that it made itself and that failed meanwhile', async () => {
    await seed(5, 'failed');
    const first = await send(retryRuns, { filter: {}, limit: 3 });
    expect(first.body).toMatchObject({ done: 3, nextCursor: expect.any(String) });
    await admin.query(
      `UPDATE app.workflow_runs SET status = 'failed', finished_at = now(), next_sweep_at = NULL
       WHERE org_id = $1 AND status = 'queued'`,
      [orgId],
    );
    const next = await send(retryRuns, { filter: {}, cursor: first.body.nextCursor });
    expect(next.body).toEqual({ ...NOTHING, matched: 2, done: 2 });
  });

  it('answers a repeated Idempotency-Key with the first answer, also in parallel (T11)', async () => {
    await seed(20, 'failed');
    const key = { 'idempotency-key': 'retry-them-once' };
    const answers = await Promise.all(Array.from({ length: 4 }, () => send(retryRuns, { filter: {} }, key)));
    for (const { status, body } of answers) expect([status, body.done]).toEqual([200, 20]);
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(3);
    expect(await statusCounts()).toEqual({ failed: 20, queued: 20 });
    expect(await auditEntries()).toHaveLength(1);
    expect((await send(retryRuns, { filter: {}, latest: true }, key)).status).toBe(409);
  });

  it('answers 503 without Redis and leaves no run, no step, no key and no entry behind (R7)', async () => {
    await seed(5, 'failed');
    const key = { 'idempotency-key': 'while-down' };
    await redis.kill();
    const { status, body } = await send(retryRuns, { filter: {} }, key);
    expect([status, body.code]).toEqual([503, 'QUEUE_UNAVAILABLE']);
    expect(await statusCounts()).toEqual({ failed: 5 });
    expect(await auditEntries()).toEqual([]);
    const told = api.logLines.filter((line) => line.event === 'queue_unavailable' && line.orgId === orgId);
    expect(told).toMatchObject([{ userId: owner.id, workflowId: null, runId: null, error: expect.any(String) }]);
    await scene.restartRedis();
    let again = await send(retryRuns, { filter: {} }, key);
    while (again.status === 503) again = await send(retryRuns, { filter: {} }, key);
    expect([again.body.done, again.headers['idempotency-replayed']]).toEqual([5, undefined]);
  });

  it('loses Redis half-way: what was accepted stays, the rest is taken back, and the cursor goes on there', async () => {
    await seed(400, 'failed');
    const pending = send(retryRuns, { filter: {} });
    while (((await statusCounts()).queued ?? 0) < 20) await new Promise((resolve) => setTimeout(resolve, 5));
    await redis.kill();
    const { status, body } = await pending;
    try {
      expect(status).toBe(200);
      expect(body.done).toBeLessThan(400);
      expect(await statusCounts()).toEqual({ failed: 400, queued: body.done });
    } finally {
      await scene.restartRedis();
    }
    const rest: BulkResult[] = [];
    for (let cursor = body.nextCursor; cursor !== null; ) {
      const answer = await send(retryRuns, { filter: {}, cursor });
      if (answer.status === 503) continue;
      rest.push(answer.body);
      cursor = answer.body.nextCursor;
    }
    expect(body.done + sumOf(rest)).toBe(400);
    expect(await statusCounts()).toEqual({ failed: 400, queued: 400 });
  });
});

it('takes the permission of a single cancel or retry', async () => {
  const stranger = await signUpUser(api);
  for (const contract of [cancelRuns, retryRuns]) {
    const input = { params: { orgId }, body: { filter: {} } };
    expect((await call(api, contract, { ...input, token: stranger.token })).status).toBe(403);
    expect(contract.permission).toBe(contract === cancelRuns ? cancelRun.permission : retryRun.permission);
  }
});

it('finds open runs by their own index, however many have ended', async () => {
  await seed(5_000, 'succeeded');
  await seed(20, 'queued');
  // Else the plan depends on whether PostgreSQL has counted by itself what tests before this one have left.
  await admin.query('ANALYZE app.workflow_runs');
  await withOrg(api.deps.db, orgId, async (tx) => {
    const { rows } = await tx.execute(
      `EXPLAIN SELECT id FROM app.workflow_runs WHERE org_id = '${orgId}' AND finished_at IS NULL
       ORDER BY created_at DESC, id DESC LIMIT 100`,
    );
    expect(JSON.stringify(rows)).toContain('workflow_runs_open');
  });
});

it('a run that was started by hand is among them', async () => {
  const { body } = await call(api, createRun, { params: { orgId, workflowId }, token: owner.token });
  expect((await send(cancelRuns, { filter: { search: body.run.id } })).body.done).toBe(1);
  expect((await send(retryRuns, { filter: { search: body.run.id } })).body.done).toBe(1);
  expect((await send(cancelRuns, { filter: { search: newId() } })).body).toEqual(NOTHING);
});
