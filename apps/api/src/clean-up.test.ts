import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { cleanUp } from './clean-up.ts';
import { addOrganization, addPerson, queryAsAdmin } from './features/organizations/testing.ts';
import { openTestApi, type TestApi } from './testing.ts';

let api: TestApi;
let orgIds: string[];

beforeAll(async () => {
  api = await openTestApi();
  orgIds = [(await addOrganization(api)).orgId, (await addOrganization(api)).orgId];
});

beforeEach(async () => {
  await queryAsAdmin(api, 'DELETE FROM app.idempotency_keys', []);
});

afterAll(async () => {
  await api.close();
});

/** Keys whose life ended so many seconds ago, or ends in the future when negative. */
async function addKeys(orgId: string | undefined, count: number, endedSecAgo: number): Promise<void> {
  await queryAsAdmin(
    api,
    `INSERT INTO app.idempotency_keys (org_id, key, scope, request_hash, expires_at)
     SELECT $1, $2 || n, 'POST /', sha256('x'), now() - $4 * interval '1 s' FROM generate_series(1, $3::integer) n`,
    [orgId, newId(), count, endedSecAgo],
  );
}

async function countKeys(): Promise<number> {
  const rows = await queryAsAdmin<{ count: number }>(
    api,
    'SELECT count(*)::integer AS count FROM app.idempotency_keys',
    [],
  );
  return rows[0]?.count ?? -1;
}

it('removes the expired keys of every organization and no living one', async () => {
  for (const orgId of orgIds) {
    await addKeys(orgId, 3, 1);
    await addKeys(orgId, 2, -60);
  }
  expect(await cleanUp(api.deps.db)).toBe(6);
  expect(await countKeys()).toBe(4);
  expect(await cleanUp(api.deps.db)).toBe(0);
});

it('removes sessions that ended 30 days ago, revoked or unused, and no other', async () => {
  const change = async (change: string) => {
    const { sessionId } = await addPerson(api);
    await queryAsAdmin(api, `UPDATE app.auth_sessions SET ${change} WHERE id = $1`, [sessionId]);
    return sessionId;
  };
  const gone = [
    await change(`revoked_at = now() - interval '31 days'`),
    await change(`idle_expires_at = now() - interval '31 days'`),
    await change(`revoked_at = now() - interval '31 days', idle_expires_at = now() - interval '2 days'`),
  ];
  const kept = [
    await change(`revoked_at = now() - interval '29 days'`),
    await change(`idle_expires_at = now() - interval '29 days'`),
    await change(`created_at = now() - interval '60 days'`),
  ];
  expect(await cleanUp(api.deps.db)).toBe(3);
  const rows = await queryAsAdmin<{ id: string }>(api, 'SELECT id FROM app.auth_sessions WHERE id = ANY ($1)', [
    [...gone, ...kept],
  ]);
  expect(rows.map(({ id }) => id).toSorted()).toEqual(kept.toSorted());
});

it('works a backlog off in bounded parts: 20,000 at once, the rest next time', async () => {
  await addKeys(orgIds[0], 20_500, 1);
  expect(await cleanUp(api.deps.db)).toBe(20_000);
  expect(await cleanUp(api.deps.db)).toBe(500);
  expect(await countKeys()).toBe(0);
});

it('lets several processes clean up at once without an error and without counting a key twice', async () => {
  await addKeys(orgIds[1], 5_000, 1);
  const counts = await Promise.all(Array.from({ length: 4 }, () => cleanUp(api.deps.db)));
  expect(counts.reduce((sum, count) => sum + count)).toBe(5_000 - (await countKeys()));
});
