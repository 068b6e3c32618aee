import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { findAnswer, finishAnswer, forgetPendingAnswer, reserveAnswer } from './idempotency.ts';
import { migrationsFolder } from './migrate.ts';
import { withOrg } from './tenant.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let orgId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  api = connectDatabase({ url: database.apiUrl, poolSize: 4, applicationName: 'idempotency-test', onError: () => {} });
  ({ orgId } = await seedTenant(admin));
});
afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api)]);
  await database.drop();
});

const request = (key: string) => ({ key, scope: 'POST /x', requestHash: createHash('sha256').update(key).digest() });
const reserve = (key: string, response: unknown) =>
  withOrg(api, orgId, (tx) => reserveAnswer(tx, request(key), response));
const forget = (key: string) => withOrg(api, orgId, (tx) => forgetPendingAnswer(tx, key));

it('one of parallel reservations of a key wins, and its answer is the one that is found', async () => {
  const outcomes = await Promise.all([reserve('k', 'first'), reserve('k', 'second'), reserve('k', 'third')]);
  expect(outcomes.filter(Boolean)).toHaveLength(1);
  const winner = ['first', 'second', 'third'][outcomes.indexOf(true)];
  expect(await findAnswer(api, orgId, 'k')).toMatchObject({ response: winner, isPending: true, scope: 'POST /x' });
  expect(await finishAnswer(api, orgId, 'k', 201)).toBe(true);
  expect(await findAnswer(api, orgId, 'k')).toMatchObject({ isPending: false });
});

it('exactly one of replaying an answer and taking its work back wins, 100 times', async () => {
  for (let round = 0; round < 100; round++) {
    const key = `race-${round}`;
    await reserve(key, round);
    const finish = () => finishAnswer(api, orgId, key, 201);
    const [finished, forgotten] =
      round % 2 === 0
        ? await Promise.all([finish(), forget(key)])
        : await Promise.all([forget(key), finish()]).then(([b, a]) => [a, b] as const);
    expect([finished, forgotten].filter(Boolean)).toHaveLength(1);
    expect((await findAnswer(api, orgId, key)) !== undefined).toBe(finished);
  }
});

it('a key is free again after 24 hours', async () => {
  await reserve('old', 1);
  await admin.query(`UPDATE app.idempotency_keys SET expires_at = now() - interval '1 s' WHERE key = 'old'`);
  expect(await findAnswer(api, orgId, 'old')).toBeUndefined();
  expect(await reserve('old', 2)).toBe(true);
  expect(await findAnswer(api, orgId, 'old')).toMatchObject({ response: 2 });
});

it('an answer that was kept before runs named their parents is whole after the migration, and no other one is touched', async () => {
  await reserve('before', { run: { id: 'a', retryOfRunId: null } });
  await reserve('since', { run: { id: 'b', parentRunId: 'c' } });
  await reserve('other', { workflow: { id: 'd' } });
  const migration = await readFile(`${migrationsFolder}/0040_cancelled_steps_and_parents.sql`, 'utf8');
  // What it does to rows; its functions were replaced by later migrations.
  const rewrite = migration.slice(migration.indexOf('ALTER TABLE app.idempotency_keys NO FORCE'));
  await admin.query(`BEGIN; SET LOCAL ROLE app_owner; ${rewrite}; COMMIT`);
  const answerOf = async (key: string) => (await findAnswer(api, orgId, key))?.response;
  expect(await answerOf('before')).toEqual({ run: { id: 'a', retryOfRunId: null, parentRunId: null } });
  expect(await answerOf('since')).toEqual({ run: { id: 'b', parentRunId: 'c' } });
  expect(await answerOf('other')).toEqual({ workflow: { id: 'd' } });
});
