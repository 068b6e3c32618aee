import { getRunRetention, updateRunRetention } from '@millrace/shared/contracts/retention';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, queryAsAdmin } from '../organizations/testing.ts';

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

it('an organization chooses how long its runs are kept, which the audit log tells, and goes back to the default', async () => {
  const { orgId, owner } = await addOrganization(api);
  const input = { params: { orgId }, token: owner.token };
  const read = async () => (await call(api, getRunRetention, input)).body.retention;
  const change = (days: unknown) => call(api, updateRunRetention, { ...input, body: { days } });
  expect(await read()).toEqual({ days: 30, isDefault: true });
  for (const days of [7, 90]) {
    expect((await change(days)).body.retention).toEqual({ days, isDefault: false });
    expect(await read()).toEqual({ days, isDefault: false });
  }
  for (const days of [0, 3651, 1.5, '7', undefined]) expect((await change(days)).status).toBe(400);
  expect((await change(null)).body.retention).toEqual({ days: 30, isDefault: true });
  expect(await read()).toEqual({ days: 30, isDefault: true });
  const entries = await queryAsAdmin<{ data: object }>(
    api,
    `SELECT data FROM app.audit_log WHERE org_id = $1 AND action = 'organization.set-retention' ORDER BY seq`,
    [orgId],
  );
  expect(entries.map(({ data }) => data)).toEqual([{ days: 7 }, { days: 90 }, { days: null }]);
});

it('members read it and only admins change it', async () => {
  const { orgId } = await addOrganization(api);
  const member = await addMember(api, orgId, 'member');
  const input = { params: { orgId }, token: member.token };
  expect((await call(api, getRunRetention, input)).status).toBe(200);
  expect((await call(api, updateRunRetention, { ...input, body: { days: 7 } })).status).toBe(403);
});

it('the API removes what is older, of each organization by its own choice', async () => {
  const ids = [newId(), newId()];
  for (const [index, days] of [5, 90].entries()) {
    const { orgId, owner } = await addOrganization(api);
    await call(api, updateRunRetention, { params: { orgId }, token: owner.token, body: { days } });
    const workflowId = newId();
    await queryAsAdmin(
      api,
      `INSERT INTO app.workflows (org_id, id, name, draft_definition, version, status, published_at)
       VALUES ($1, $2, 'Flow', '{}', 1, 'published', now())`,
      [orgId, workflowId],
    );
    await queryAsAdmin(
      api,
      `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{}')`,
      [orgId, workflowId],
    );
    await queryAsAdmin(
      api,
      `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, finished_at)
       VALUES ($1, $2, $3, 1, 'trigger.manual', 'succeeded', now() - interval '6 days')`,
      [orgId, ids[index], workflowId],
    );
  }
  api.deps.runPurger.start();
  await expect
    .poll(() => queryAsAdmin(api, 'SELECT id FROM app.workflow_runs WHERE id = ANY ($1)', [ids]), { timeout: 15_000 })
    .toEqual([{ id: ids[1] }]);
});
