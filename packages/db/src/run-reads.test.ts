import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { authorizeAndReadRun, readRun } from './run-reads.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let db: Database;
let tenant: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  db = connectDatabase({ url: database.apiUrl, poolSize: 1, applicationName: 'reads-test', onError: () => {} });
  tenant = await seedTenant(admin);
  other = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(db)]);
  await database.drop();
});

const addressOf = ({ orgId, workflowId, endedRunId }: SeededTenant) => ({ orgId, workflowId, runId: endedRunId });

describe('reading a run', () => {
  it('answers the run and its steps in the order they started, with every value as it is stored', async () => {
    const run = { ...addressOf(tenant), runId: newId() };
    await admin.query(
      `INSERT INTO app.workflow_runs (org_id, workflow_id, id, version, trigger_type, status, input, output, error,
         attempt_count, max_attempts, next_attempt_at, retry_of_run_id, parent_run_id, parent_step_key, requested_by_user_id,
         created_at, started_at)
       VALUES ($1, $2, $3, 1, 'trigger.manual', 'waiting', '{"a": [1.5, "é\\u2028"]}', 'null', NULL,
         2, 3, '2026-01-02 03:04:05.678+00', $4, $4, 'start', $5, '2026-01-01 00:00:00+02', '2026-01-01 00:00:00.001+00')`,
      [run.orgId, run.workflowId, run.runId, tenant.endedRunId, tenant.userId],
    );
    await admin.query(
      `INSERT INTO app.workflow_run_steps
         (org_id, run_id, step_key, type, status, attempt, input, output, error, started_at, finished_at, ordinal)
       VALUES ($1, $2, 'later', 'transform', 'running', 1, '{}', NULL, NULL, '2026-01-01 00:00:02+00', NULL, 0),
         ($1, $2, 'second', 'transform', 'succeeded', 1, '{}', '[null]', NULL, '2026-01-01 00:00:01+00', now(), 1),
         ($1, $2, 'first', 'http.request', 'failed', 2, NULL, NULL, '{"code": "X", "message": "y"}',
           '2026-01-01 00:00:01+00', '2026-01-01 00:00:01.5+00', 0)`,
      [run.orgId, run.runId],
    );
    const document = await readRun(db, run);
    expect(document?.run).toEqual({
      id: run.runId,
      organizationId: run.orgId,
      workflowId: run.workflowId,
      version: 1,
      triggerType: 'trigger.manual',
      status: 'waiting',
      attemptCount: 2,
      maxAttempts: 3,
      nextAttemptAt: '2026-01-02T03:04:05.678Z',
      retryOfRunId: tenant.endedRunId,
      parentRunId: tenant.endedRunId,
      requestedByUserId: tenant.userId,
      input: { a: [1.5, 'é\u2028'] },
      output: null,
      error: null,
      createdAt: '2025-12-31T22:00:00.000Z',
      startedAt: '2026-01-01T00:00:00.001Z',
      finishedAt: null,
    });
    expect(document?.steps.map(({ stepId }) => stepId)).toEqual(['first', 'second', 'later']);
    expect(document?.steps[0]).toEqual({
      stepId: 'first',
      type: 'http.request',
      status: 'failed',
      attempt: 2,
      input: null,
      output: null,
      error: { code: 'X', message: 'y' },
      startedAt: '2026-01-01T00:00:01.000Z',
      finishedAt: '2026-01-01T00:00:01.500Z',
    });
    expect(document?.steps[1]?.output).toEqual([null]);
  });

  it('answers null for an unknown run, one of another workflow, and one of another organization', async () => {
    expect((await readRun(db, addressOf(tenant)))?.run.id).toBe(tenant.endedRunId);
    expect(await readRun(db, { ...addressOf(tenant), runId: newId() })).toBeNull();
    expect(await readRun(db, { ...addressOf(tenant), workflowId: newId() })).toBeNull();
    expect(await readRun(db, { ...addressOf(other), orgId: tenant.orgId })).toBeNull();
  });

  it('refuses what is not a UUID before any SQL sees it', async () => {
    for (const field of ['orgId', 'workflowId', 'runId'])
      await expect(readRun(db, { ...addressOf(tenant), [field]: "' OR 1=1 --" })).rejects.toThrow(TypeError);
  });
});

describe('A6: authorizing and reading in one call', () => {
  const ask = (who: Partial<SeededTenant> = {}, address = addressOf(tenant)) =>
    authorizeAndReadRun(db, { sessionId: tenant.sessionId, userId: tenant.userId, ...who }, address);

  it('answers role and run to a member with an active session', async () => {
    const { run, ...authorization } = await ask();
    expect(authorization).toEqual({ isSessionActive: true, roleKey: 'owner' });
    expect(run).toEqual(await readRun(db, addressOf(tenant)));
    expect(await ask({}, { ...addressOf(tenant), runId: newId() })).toEqual({ ...authorization, run: null });
  });

  it('reads nothing for a session that is unknown or of somebody else, and nothing for a stranger', async () => {
    const refused = { isSessionActive: false, run: null };
    expect(await ask({ sessionId: newId() })).toMatchObject(refused);
    expect(await ask({ sessionId: other.sessionId })).toMatchObject(refused);
    expect(await ask({ userId: other.userId })).toMatchObject(refused);
    expect(await ask({}, addressOf(other))).toEqual({ isSessionActive: true, roleKey: null, run: null });
  });

  it('counts a revoked session and a removed member at the next call', async () => {
    const fresh = await seedTenant(admin);
    const askFresh = () => ask(fresh, addressOf(fresh));
    expect((await askFresh()).run).not.toBeNull();
    await admin.query('DELETE FROM app.memberships WHERE org_id = $1', [fresh.orgId]);
    expect(await askFresh()).toEqual({ isSessionActive: true, roleKey: null, run: null });
    await admin.query('UPDATE app.auth_sessions SET revoked_at = now() WHERE id = $1', [fresh.sessionId]);
    expect(await askFresh()).toEqual({ isSessionActive: false, roleKey: null, run: null });
  });
});

describe('the second door of reads', () => {
  it('serves two organizations in one transaction and leaves none behind', async () => {
    const read = 'SELECT app.read_run($1, $2, $3) AS document';
    const authorizeAndRead = `SELECT document FROM app.authorize_and_read_run($1, $2, $3, $4, $5)`;
    const client = await db.pool.connect();
    try {
      for (const [text, valuesOf] of [
        [read, ({ orgId, workflowId, endedRunId }: SeededTenant) => [orgId, workflowId, endedRunId]],
        [authorizeAndRead, (t: SeededTenant) => [t.sessionId, t.userId, t.orgId, t.workflowId, t.endedRunId]],
      ] as const) {
        await client.query('BEGIN');
        for (const who of [tenant, other]) {
          const { rows } = await client.query(text, valuesOf(who));
          expect(rows[0].document.run.organizationId).toBe(who.orgId);
        }
        const bare = client.query('SELECT count(*) FROM app.workflow_runs');
        expect(sqlStateOf(await bare.catch((error: unknown) => error))).toBe('WF001');
        await client.query('ROLLBACK');
      }
    } finally {
      client.release();
    }
    const both = await db.pool.query('SELECT app.read_run($1, $2, $3) AS mine, app.read_run($4, $5, $6) AS theirs', [
      ...Object.values(addressOf(tenant)),
      ...Object.values(addressOf(other)),
    ]);
    expect([both.rows[0].mine.run.id, both.rows[0].theirs.run.id]).toEqual([tenant.endedRunId, other.endedRunId]);
    const after = db.pool.query('SELECT count(*) FROM app.workflow_runs');
    expect(sqlStateOf(await after.catch((error: unknown) => error))).toBe('WF001');
  });

  it('is closed to the worker', async () => {
    const worker = new pg.Client({ connectionString: database.workerUrl });
    await worker.connect();
    const call = worker.query('SELECT app.read_run($1, $2, $3)', Object.values(addressOf(tenant)));
    expect(sqlStateOf(await call.catch((error: unknown) => error))).toBe('42501');
    await worker.end();
  });
});
