import { createHash } from 'node:crypto';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { UnstorableJsonError } from './json-text.ts';
import { acceptRun, type NewManualRun } from './run-accepts.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { untilLockWaits } from './testing-locks.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let one: SeededTenant;
let other: SeededTenant;
let callCount = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 4 });
  api = connectDatabase({ url: database.apiUrl, poolSize: 8, applicationName: 'accepts', onError: () => {} });
  api.pool.on('acquire', () => {
    callCount += 1;
  });
  [one, other] = [await seedTenant(admin), await seedTenant(admin)];
  await admin.query('UPDATE app.workflows SET version = 1, is_enabled = true');
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api)]);
  await database.drop();
});

beforeEach(async () => {
  await admin.query('DELETE FROM app.workflow_runs');
  await admin.query('DELETE FROM app.idempotency_keys');
});

function newRun({ orgId, workflowId, userId }: SeededTenant, change: Partial<NewManualRun> = {}): NewManualRun {
  return { orgId, workflowId, userId, runId: newId(), version: 1, maxAttempts: 3, input: { n: 1 }, ...change };
}

function keyed(key: string): NonNullable<NewManualRun['answer']> {
  return { key, scope: 'POST /runs', requestHash: createHash('sha256').update('body').digest() };
}

async function storedRuns(): Promise<{ id: string; orgId: string }[]> {
  const { rows } = await admin.query('SELECT id, org_id AS "orgId" FROM app.workflow_runs');
  return rows;
}

it('stores the run that it answers, as the API shows it', async () => {
  const asked = newRun(one, { input: { text: 'a"\\u0041' } });
  const answer = await acceptRun(api, asked);
  const { rows } = await admin.query('SELECT app.read_run($1, $2, $3) AS read', [
    one.orgId,
    one.workflowId,
    asked.runId,
  ]);
  expect(answer).toEqual({ outcome: 'accepted', run: rows[0].read.run, isHeld: false });
  expect(rows[0].read.run).toMatchObject({ status: 'queued', input: asked.input, requestedByUserId: one.userId });
});

it('accepts 200 runs of two organizations at once with few calls, each in its own organization', async () => {
  callCount = 0;
  const asked = Array.from({ length: 200 }, (_, n) => newRun(n % 2 === 0 ? one : other));
  const answers = await Promise.all(asked.map((run) => acceptRun(api, run)));
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['accepted']));
  const byId = new Map((await storedRuns()).map(({ id, orgId }) => [id, orgId]));
  expect(asked.map(({ runId }) => byId.get(runId))).toEqual(asked.map(({ orgId }) => orgId));
  expect(callCount).toBeLessThan(20);
});

it('of 20 equal keys at once one is accepted, and no run is stored for the others', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => acceptRun(api, newRun(one, { answer: keyed('same') }))),
  );
  expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['accepted', ...Array(19).fill('taken')]);
  expect(await storedRuns()).toHaveLength(1);
});

it('keys of two organizations in opposite order never wait for each other in a circle', async () => {
  const rounds = Array.from({ length: 100 }, (_, n) => {
    const keys = [`a${n}`, `b${n}`];
    return [...keys, ...keys.toReversed()].map((key) => acceptRun(api, newRun(one, { answer: keyed(key) })));
  });
  const answers = await Promise.all(rounds.flat());
  expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(200);
});

it.each([
  ['another version is published', { version: 7 }, { outcome: 'version', version: 1 }],
  ['the workflow is of another organization', { workflowId: 'other' }, { outcome: 'gone' }],
])('stores nothing when %s', async (_what, change, expected) => {
  const workflowId = 'workflowId' in change ? other.workflowId : one.workflowId;
  const answer = keyed('unused');
  expect(await acceptRun(api, newRun(one, { ...change, workflowId, answer }))).toEqual(expected);
  expect(await storedRuns()).toEqual([]);
  expect((await admin.query('SELECT FROM app.idempotency_keys')).rows).toEqual([]);
});

it('a run that cannot be stored fails alone', async () => {
  const answers = await Promise.allSettled([
    acceptRun(api, newRun(one)),
    acceptRun(api, newRun(one, { maxAttempts: 0 })),
    acceptRun(api, newRun(one, { input: 'a\u0000b' })),
    acceptRun(api, newRun(other)),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(answers[2]).toMatchObject({ reason: expect.any(UnstorableJsonError) });
  expect(await storedRuns()).toHaveLength(2);
});

it('makes a call again that lost a deadlock: none of its requests hears of it', async () => {
  const runs = ['a', 'b'].map((key) => newRun(one, { answer: keyed(key) }));
  const insert = (key: string) =>
    writer.query(
      `INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, response, expires_at)
       VALUES ($1, $2, 'POST /runs', sha256('body'), '{}', now() + interval '1 hour')`,
      [one.orgId, key],
    );
  const writer = await admin.connect();
  try {
    // Whoever waits longest looks for circles first, and is the one that gives way.
    await writer.query("BEGIN; SET LOCAL deadlock_timeout = '1min'");
    await insert('b');
    const accepted = Promise.all(runs.map((run) => acceptRun(api, run)));
    await untilLockWaits(admin, 'app_api');
    await insert('a');
    await writer.query('COMMIT');
    expect((await accepted).map(({ outcome }) => outcome)).toEqual(['taken', 'taken']);
    expect(await storedRuns()).toEqual([]);
  } finally {
    writer.release();
  }
});
