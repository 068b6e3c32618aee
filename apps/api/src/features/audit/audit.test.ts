import { appendAudit } from '@millrace/db/audit';
import { verifyAudit } from '@millrace/db/audit-verify';
import { withOrg } from '@millrace/db/tenant';
import { listAuditEntries } from '@millrace/shared/contracts/audit';
import { updateOrganization } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { hashApiKey } from '../api-keys/key.ts';
import { addMember, addOrganization, type Person, queryAsAdmin } from '../organizations/testing.ts';

let api: TestApi;
let orgId: string;
let owner: Person;

beforeAll(async () => {
  api = await openTestApi();
  ({ orgId, owner } = await addOrganization(api));
});

afterAll(async () => {
  await api.close();
});

async function list(query: Record<string, string> = {}, inOrg = { orgId, token: owner.token }) {
  const answer = await call(api, listAuditEntries, { token: inOrg.token, params: { orgId: inOrg.orgId }, query });
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

/** Entries 1 (its making) to `length`, alternating between two actions and two actors. */
async function organizationWithLog(length: number, actors: [string, string]) {
  const made = await addOrganization(api);
  await withOrg(api.deps.db, made.orgId, async (tx) => {
    for (let seq = 2; seq <= length; seq += 1)
      await appendAudit(tx, {
        actorUserId: actors[seq % 2] ?? null,
        action: seq % 3 === 0 ? 'workflow.publish' : 'workflow.update',
        subjectType: 'workflow',
        subjectId: newId(),
        data: { seq },
      });
  });
  return { orgId: made.orgId, token: made.owner.token };
}

it('tells who did what to what, when and from where', async () => {
  const renamed = await call(api, updateOrganization, {
    token: owner.token,
    params: { orgId },
    headers: { 'user-agent': 'curl/8.9' },
    body: { name: 'Renamed' },
  });
  const { entries, nextCursor } = await list();
  expect(nextCursor).toBeNull();
  expect(entries.map(({ action }) => action)).toEqual(['organization.update', 'organization.create']);
  expect(entries[0]).toEqual({
    seq: 2,
    occurredAt: expect.any(String),
    actorUserId: owner.id,
    actorEmail: owner.email,
    actorApiKeyId: null,
    action: 'organization.update',
    subjectType: 'organization',
    subjectId: orgId,
    ipAddress: '127.0.0.1',
    userAgent: 'curl/8.9',
    requestId: renamed.headers['x-request-id'],
    data: { name: 'Renamed', previousName: 'Org' },
  });
  expect(Math.abs(Date.parse(entries[0]?.occurredAt ?? '') - Date.now())).toBeLessThan(60_000);
});

it('names the API key that acted, and whoever made it', async () => {
  const other = await addOrganization(api);
  const [keyId, key] = [newId(), `mr_${'k'.repeat(43)}`];
  await queryAsAdmin(
    api,
    `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     VALUES ($1, $2, 'Key', $3, 'kkkk', '{org:update}', $4)`,
    [other.orgId, keyId, hashApiKey(key), other.owner.id],
  );
  const params = { orgId: other.orgId };
  const renamed = await call(api, updateOrganization, { token: key, params, body: { name: 'By key' } });
  expect(renamed.status).toBe(200);
  const { entries } = await list({ limit: '1' }, { orgId: other.orgId, token: other.owner.token });
  expect(entries[0]).toMatchObject({
    actorUserId: other.owner.id,
    actorEmail: other.owner.email,
    actorApiKeyId: keyId,
  });
});

it('still tells of somebody who exists no more, without their address', async () => {
  const other = await addOrganization(api);
  const admin = await addMember(api, other.orgId, 'admin');
  await call(api, updateOrganization, { token: admin.token, params: { orgId: other.orgId }, body: { name: 'Bye' } });
  await queryAsAdmin(api, 'DELETE FROM app.users WHERE id = $1', [admin.id]);
  const { entries } = await list({}, { orgId: other.orgId, token: other.owner.token });
  expect(entries[0]).toMatchObject({ actorUserId: admin.id, actorEmail: null });
});

it('answers page after page, newest first, each entry once, also while entries are added', async () => {
  const log = await organizationWithLog(25, [owner.id, owner.id]);
  const seen: number[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof list>> = await list({ limit: '10', ...(cursor && { cursor }) }, log);
    seen.push(...page.entries.map(({ seq }) => seq));
    cursor = page.nextCursor;
    await withOrg(api.deps.db, log.orgId, (tx) =>
      appendAudit(tx, { actorUserId: null, action: 'a.b', subjectType: 'a', subjectId: null }),
    );
  } while (cursor);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => 25 - index));
});

it('filters by action, by actor and by time, each alone and all at once', async () => {
  const actors: [string, string] = [newId(), newId()];
  const log = await organizationWithLog(24, actors);
  const seqs = async (query: Record<string, string>) => (await list(query, log)).entries.map(({ seq }) => seq);
  expect(await seqs({ action: 'workflow.publish' })).toEqual([24, 21, 18, 15, 12, 9, 6, 3]);
  expect(await seqs({ action: 'workflow.publish', limit: '2', cursor: '21' })).toEqual([18, 15]);
  expect(await seqs({ actorUserId: actors[0] })).toEqual([24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2]);
  expect(await seqs({ action: 'nobody.did' })).toEqual([]);
  const { entries } = await list({}, log);
  const timeOf = (seq: number) => entries.find((entry) => entry.seq === seq)?.occurredAt ?? '';
  const [from, to] = [timeOf(10), timeOf(20)];
  const between = entries.filter(({ occurredAt }) => occurredAt >= from && occurredAt < to).map(({ seq }) => seq);
  expect(await seqs({ from, to })).toEqual(between);
  expect(await seqs({ from, to, action: 'workflow.publish', actorUserId: actors[1] })).toEqual(
    between.filter((seq) => seq % 3 === 0 && seq % 2 === 1),
  );
});

it.each([{ cursor: 'x' }, { cursor: '-1' }, { cursor: '0' }, { limit: '0' }, { limit: '101' }, { from: 'yesterday' }])(
  'refuses %o with 400',
  async (query) => {
    const answer = await call(api, listAuditEntries, { token: owner.token, params: { orgId }, query });
    expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST']);
  },
);

it('leaves a chain that verifies behind whatever the API did', async () => {
  const rows = await queryAsAdmin<{ id: string }>(api, 'SELECT id FROM app.organizations', []);
  expect(rows.length).toBeGreaterThan(3);
  for (const { id } of rows)
    expect(await withOrg(api.deps.db, id, (tx) => verifyAudit(tx))).toMatchObject({ ok: true });
});
