import * as contracts from '@millrace/shared/contracts/variables';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, createOrg, openTestApi, signUpUser, type TestApi, type TestUser } from '../../testing.ts';
import { queryAsAdmin } from '../organizations/testing.ts';

let api: TestApi;
let owner: TestUser;
let member: TestUser;

beforeAll(async () => {
  api = await openTestApi();
  [owner, member] = await Promise.all([signUpUser(api), signUpUser(api)]);
});
afterAll(() => api.close());

const newOrg = () => createOrg(api, owner, [[member, 'member']]);
const put = (orgId: string, name: string, value: unknown, token = owner.token) =>
  call(api, contracts.putVariable, { params: { orgId, name }, token, body: { value } });
const list = (orgId: string, token = owner.token) => call(api, contracts.listVariables, { params: { orgId }, token });

it('keeps any JSON value under its name, replaces it, and lists by name', async () => {
  const orgId = await newOrg();
  for (const value of [null, false, 0, '', [], { a: { b: ['x'] } }])
    expect((await put(orgId, 'value', value)).body.variable).toMatchObject({ name: 'value', value });
  await put(orgId, 'Zone', 'eu');
  const { body } = await list(orgId, member.token);
  expect(body.variables.map(({ name }) => name)).toEqual(['Zone', 'value']);
  expect(body.variables[1]).toEqual({
    name: 'value',
    value: { a: { b: ['x'] } },
    updatedAt: expect.any(String),
    updatedByUserId: owner.id,
  });
});

it('lets every member read and admins alone write', async () => {
  const orgId = await newOrg();
  expect((await put(orgId, 'a', 1, member.token)).status).toBe(403);
  await put(orgId, 'a', 1);
  const remove = (token: string) => call(api, contracts.deleteVariable, { params: { orgId, name: 'a' }, token });
  expect((await remove(member.token)).status).toBe(403);
  expect((await remove(owner.token)).status).toBe(200);
  expect((await remove(owner.token)).status).toBe(404);
});

it.each(['', '1a', 'a-b', 'a.b', '__proto__', 'x'.repeat(65), 'ä'])('refuses the name %j', async (name) => {
  const orgId = await newOrg();
  expect([400, 404]).toContain((await put(orgId, name, 1)).status);
});

it('refuses a body without a value, a value over 16 kB, and more than an organization may have', async () => {
  const orgId = await newOrg();
  const { status } = await call(api, contracts.putVariable, {
    params: { orgId, name: 'a' },
    token: owner.token,
    body: {},
  });
  expect(status).toBe(400);
  expect((await put(orgId, 'a', 'x'.repeat(16 * 1024 - 2))).status).toBe(200);
  expect((await put(orgId, 'a', 'x'.repeat(16 * 1024 - 1))).body).toMatchObject({ details: [{ path: 'value' }] });
  await queryAsAdmin(
    api,
    `INSERT INTO app.organization_variables (org_id, name, value) SELECT $1, 'v' || n, '1' FROM generate_series(1, 499) n`,
    [orgId],
  );
  expect((await put(orgId, 'b', 1)).status).toBe(409);
  expect((await put(orgId, 'a', 2)).status).toBe(200); // replacing one needs no room
});

it('refuses more than 256 kB together, also when many are set at once', async () => {
  const orgId = await newOrg();
  const value = 'x'.repeat(16 * 1024 - 2);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => put(orgId, `v${n}`, value)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array(16).fill(200), ...Array(4).fill(409)]);
});

it('tells the audit log the name and never the value', async () => {
  const orgId = await newOrg();
  await put(orgId, 'token', 'by-mistake-a-secret');
  await call(api, contracts.deleteVariable, { params: { orgId, name: 'token' }, token: owner.token });
  const rows = await queryAsAdmin<{ action: string; subject_id: string }>(
    api,
    'SELECT action, subject_id, to_jsonb(a)::text AS all FROM app.audit_log a WHERE org_id = $1 ORDER BY seq',
    [orgId],
  );
  expect(rows.map(({ action, subject_id }) => [action, subject_id])).toEqual([
    ['variable.set', 'token'],
    ['variable.delete', 'token'],
  ]);
  expect(JSON.stringify(rows)).not.toContain('by-mistake-a-secret');
});
