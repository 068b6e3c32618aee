import { randomBytes } from 'node:crypto';
import { createInvitation } from '@millrace/shared/contracts/invitations';
import * as contracts from '@millrace/shared/contracts/organizations';
import { createWorkflow, disableWorkflow } from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, queryAsAdmin } from './testing.ts';

let api: TestApi;

beforeAll(async () => {
  api = await openTestApi();
});

afterAll(async () => {
  await api.close();
});

it('makes the creator the owner and writes the first audit entry with it', async () => {
  const person = await addPerson(api);
  const slug = `acme-${randomBytes(4).toString('hex')}`;
  const created = await call(api, contracts.createOrganization, {
    token: person.token,
    body: { name: '  Acme ', slug },
  });
  expect(created.status).toBe(201);
  const { organization, membership } = created.body;
  expect(organization).toEqual({ id: organization.id, slug, name: 'Acme', createdAt: expect.any(String) });
  expect(membership).toMatchObject({ organizationId: organization.id, userId: person.id, roleKey: 'owner' });
  expect(await readAudit(organization.id)).toEqual([
    { action: 'organization.create', actor: person.id, subject: organization.id },
  ]);

  const read = await call(api, contracts.getOrganization, {
    token: person.token,
    params: { orgId: organization.id },
  });
  expect(read.body).toEqual({ organization });
});

it('answers 409 for a taken slug, says nothing about its owner and leaves no row', async () => {
  const { slug, orgId } = await addOrganization(api);
  const other = await addPerson(api);
  const answer = await call(api, contracts.createOrganization, { token: other.token, body: { name: 'Mine', slug } });
  expect(answer.status).toBe(409);
  expect(answer.body.code).toBe('CONFLICT');
  expect(answer.text).not.toContain(orgId);
  expect(answer.text).not.toMatch(/23505|slug_key|duplicate/i);
  expect(await queryAsAdmin(api, 'SELECT FROM app.memberships WHERE user_id = $1', [other.id])).toEqual([]);
});

it('tells whether a slug is free, and of a taken one nothing else', async () => {
  const { slug, orgId } = await addOrganization(api);
  const other = await addPerson(api);
  const ask = (wanted: string, token?: string) =>
    call(api, contracts.getSlugAvailability, { ...(token && { token }), query: { slug: wanted } });
  const taken = await ask(slug, other.token);
  expect([taken.status, taken.body]).toEqual([200, { slug, available: false }]);
  expect(taken.text).not.toContain(orgId);
  const free = `free-${randomBytes(4).toString('hex')}`;
  expect((await ask(free, other.token)).body).toEqual({ slug: free, available: true });
  expect((await ask('Not a slug', other.token)).status).toBe(400);
  expect((await ask(free)).status).toBe(401);
});

it('answers one user only so many questions about slugs a minute, and others all the same', async () => {
  const limited = await openTestApi({ RATE_LIMIT_SLUG_CHECKS_PER_MIN: 3 });
  try {
    const [asker, other] = [await addPerson(limited), await addPerson(limited)];
    const ask = (token: string) => call(limited, contracts.getSlugAvailability, { token, query: { slug: 'any-slug' } });
    const statuses = [];
    for (let asked = 0; asked < 4; asked += 1) statuses.push((await ask(asker.token)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect((await ask(other.token)).status).toBe(200);
  } finally {
    await limited.close();
  }
});

it('lets exactly one of 10 parallel creators have a slug', async () => {
  const slug = `race-${randomBytes(4).toString('hex')}`;
  const people = await Promise.all(Array.from({ length: 10 }, () => addPerson(api)));
  const answers = await Promise.all(
    people.map(({ token }) => call(api, contracts.createOrganization, { token, body: { name: 'Race', slug } })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
});

it('renames, audits the change, and audits nothing when nothing changes', async () => {
  const { orgId, owner } = await addOrganization(api);
  const rename = (name?: string) =>
    call(api, contracts.updateOrganization, { token: owner.token, params: { orgId }, body: name ? { name } : {} });
  expect((await rename('New')).body.organization.name).toBe('New');
  expect((await rename('New')).status).toBe(200);
  expect((await rename()).body.organization.name).toBe('New');
  const actions = (await readAudit(orgId)).map(({ action }) => action);
  expect(actions).toEqual(['organization.create', 'organization.update']);
});

it('deletes only with the slug as confirmation, and then everything of this tenant and nothing of another', async () => {
  const { orgId, slug, owner } = await addOrganization(api);
  const other = await addOrganization(api);
  for (const { owner: person, orgId: id } of [{ owner, orgId }, other])
    await call(api, createWorkflow, {
      token: person.token,
      params: { orgId: id },
      headers: { 'idempotency-key': 'one' },
      body: { name: 'Flow', dsl: {} },
    });
  await seedRun(orgId);
  const before = await countRows(orgId);
  expect(Object.values(before).every((count) => count > 0)).toBe(true);
  const othersBefore = await countRows(other.orgId);

  const remove = (confirm: string) =>
    call(api, contracts.deleteOrganization, { token: owner.token, params: { orgId }, body: { confirm } });
  const refused = await remove('something-else');
  expect(refused.status).toBe(400);
  expect(refused.body.code).toBe('BAD_REQUEST');
  expect(refused.body.details?.[0]).toMatchObject({ path: 'confirm' });
  expect(await countRows(orgId)).toEqual(before);

  const done = await remove(slug);
  expect(done.status).toBe(200);
  const deleted = {
    members: before.memberships,
    invitations: before.organization_invitations,
    workflows: before.workflows,
    runs: before.workflow_runs,
    variables: before.organization_variables,
    apiKeys: before.api_keys,
    auditEntries: before.audit_log,
  };
  expect(done.body).toEqual({ ok: true, deleted });
  const events = api.logLines.filter(({ event }) => event === 'organization_deleted');
  expect(events).toEqual([
    expect.objectContaining({ requestId: done.headers['x-request-id'], orgId, userId: owner.id, deleted }),
  ]);
  expect(Object.values(await countRows(orgId)).every((count) => count === 0)).toBe(true);
  expect(await countRows(other.orgId)).toEqual(othersBefore);
  const gone = await call(api, contracts.getOrganization, { token: owner.token, params: { orgId } });
  expect(gone.body.code).toBe('ORG_ACCESS_DENIED');
});

it('answers everything that races with the deletion of the organization with success or a 4xx', async () => {
  for (let round = 0; round < 3; round += 1) {
    const { orgId, slug, owner } = await addOrganization(api);
    const admin = await addMember(api, orgId, 'admin');
    const input = { token: owner.token, params: { orgId } };
    const body = { name: 'Flow', dsl: {} };
    const { body: created } = await call(api, createWorkflow, { ...input, body });
    const ofWorkflow = { token: admin.token, params: { orgId, workflowId: created.workflow.id } };
    const member = { token: owner.token, params: { orgId, memberId: admin.id } };
    const work = () => [
      call(api, createWorkflow, { ...input, body }),
      call(api, createWorkflow, { ...input, body, headers: { 'idempotency-key': newId() } }),
      call(api, disableWorkflow, ofWorkflow),
      call(api, createInvitation, { ...input, body: { email: `${newId()}@example.com`, roleKey: 'member' } }),
      call(api, contracts.updateOrganization, { ...input, body: { name: newId() } }),
      call(api, contracts.changeMemberRole, { ...member, body: { roleKey: 'admin' } }),
      call(api, contracts.listMembers, input),
    ];
    const deleted = call(api, contracts.deleteOrganization, { ...input, body: { confirm: slug } });
    const answers = await Promise.all([...work(), deleted, ...work()]);
    for (const { status, text } of answers) expect(status, text).toBeLessThan(500);
  }
});

it('lists members with their roles in the order they joined', async () => {
  const { orgId, owner } = await addOrganization(api);
  const member = await addMember(api, orgId, 'member');
  const { body } = await call(api, contracts.listMembers, { token: member.token, params: { orgId } });
  expect(body.members).toEqual([
    { userId: owner.id, email: owner.email, displayName: null, roleKey: 'owner', createdAt: expect.any(String) },
    { userId: member.id, email: member.email, displayName: null, roleKey: 'member', createdAt: expect.any(String) },
  ]);
});

async function readAudit(orgId: string) {
  return queryAsAdmin<{ action: string; actor: string; subject: string }>(
    api,
    'SELECT action, actor_user_id AS actor, subject_id AS subject FROM app.audit_log WHERE org_id = $1 ORDER BY seq',
    [orgId],
  );
}

/** A published workflow with an ended run, a run under way, their steps and an invitation. */
async function seedRun(orgId: string): Promise<void> {
  const sql = (text: string, values: unknown[] = []) => queryAsAdmin(api, text, [orgId, ...values]);
  const [workflow] = await queryAsAdmin<{ id: string }>(api, 'SELECT id FROM app.workflows WHERE org_id = $1', [orgId]);
  const workflowId = workflow?.id;
  await sql(
    `INSERT INTO app.workflow_versions (org_id, workflow_id, version, definition) VALUES ($1, $2, 1, '{"a": 1}')`,
    [workflowId],
  );
  await sql(`INSERT INTO app.workflow_pins (org_id, workflow_id, step_id, output) VALUES ($1, $2, 'a', '1')`, [
    workflowId,
  ]);
  for (const insert of [
    `api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id)
     SELECT $1, gen_random_uuid(), 'Key', sha256(uuid_send(gen_random_uuid())), 'abcd', '{run:read}', user_id
     FROM app.memberships WHERE org_id = $1 LIMIT 1`,
    `org_mails (org_id, id, template, recipient) VALUES ($1, gen_random_uuid(), 'invitation', 'a@example.com')`,
    `organization_variables (org_id, name, value) VALUES ($1, 'region', '"eu"')`,
    `failure_notice_settings (org_id, channel) VALUES ($1, 'none')`,
    `failure_notices (org_id, workflow_id, failed_count, last_run_id, next_attempt_at)
     SELECT $1, id, 1, gen_random_uuid(), now() + interval '1 day' FROM app.workflows WHERE org_id = $1`,
    'org_run_limits (org_id) SELECT $1',
    'run_retention_settings (org_id, days) SELECT $1, 7',
    `workflow_hooks (org_id, workflow_id, token_hash)
     SELECT $1, id, sha256(uuid_send(id)) FROM app.workflows WHERE org_id = $1`,
    `hook_deliveries (org_id, id, workflow_id, version, run_id, max_attempts, next_sweep_at, expires_at)
     SELECT $1, gen_random_uuid(), id, 1, gen_random_uuid(), 1, NULL, now() + interval '1 day'
     FROM app.workflows WHERE org_id = $1`,
    `workflow_schedules (org_id, workflow_id, version, expression, time_zone, catch_up, max_attempts)
     SELECT $1, id, 1, '0 0 * * *', 'UTC', 'last', 1 FROM app.workflows WHERE org_id = $1`,
  ])
    await sql(`INSERT INTO app.${insert}`);
  const ended = newId();
  for (const [id, status, finishedAt, retryOf] of [
    [ended, 'succeeded', new Date(), null],
    [newId(), 'running', null, ended],
  ]) {
    await sql(
      `INSERT INTO app.workflow_runs (org_id, id, workflow_id, version, trigger_type, status, finished_at, retry_of_run_id)
       VALUES ($1, $2, $3, 1, 'trigger.manual', $4, $5, $6)`,
      [id, workflowId, status, finishedAt, retryOf],
    );
    await sql(
      `INSERT INTO app.workflow_run_steps (org_id, run_id, step_key, type, status) VALUES ($1, $2, 'a', 'transform', 'succeeded')`,
      [id],
    );
    await sql(`INSERT INTO app.workflow_run_events (org_id, run_id, number, entries) VALUES ($1, $2, 1, '[]')`, [id]);
    await sql(`INSERT INTO app.workflow_run_signals (org_id, run_id, number, type) VALUES ($1, $2, 1, 'cancel')`, [id]);
    await sql(
      `INSERT INTO app.workflow_run_files (org_id, run_id, id, step_key, name, content_type) VALUES ($1, $2, $2, 'a', 'a.txt', 'text/plain')`,
      [id],
    );
    await sql(
      `INSERT INTO app.workflow_run_file_chunks (org_id, run_id, file_id, number, data) VALUES ($1, $2, $2, 0, 'x')`,
      [id],
    );
    await sql(`INSERT INTO app.workflow_run_calls (org_id, run_id, step_key) VALUES ($1, $2, 'a')`, [id]);
    await sql(
      `INSERT INTO app.workflow_run_attempts (org_id, run_id, step_key, attempt, lease_token) VALUES ($1, $2, 'a', 1, 1)`,
      [id],
    );
    await sql(
      `INSERT INTO app.workflow_run_blobs (org_id, run_id, step_key, field, size_bytes, data) VALUES ($1, $2, 'a', 'input', 9, 'x')`,
      [id],
    );
    await sql(
      `INSERT INTO app.child_run_events (org_id, parent_run_id, parent_step_key, type, next_sweep_at)
       VALUES ($1, $2, 'a', 'ended', now() + interval '1 day')`,
      [id],
    );
  }
  await sql(
    `INSERT INTO app.organization_invitations (org_id, id, email, role_key, token_hash, invited_by_user_id, expires_at)
     SELECT $1, $2, 'a@example.com', 'member', $3, user_id, now() FROM app.memberships WHERE org_id = $1`,
    [newId(), randomBytes(32)],
  );
}

/** Rows per tenant table, for every table that has an organization. */
async function countRows(orgId: string): Promise<Record<string, number>> {
  const tables = await queryAsAdmin<{ name: string }>(
    api,
    `SELECT table_name AS name FROM information_schema.columns WHERE table_schema = $1 AND column_name = 'org_id'`,
    ['app'],
  );
  expect(tables.length).toBeGreaterThanOrEqual(8);
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await queryAsAdmin<{ count: number }>(
      api,
      `SELECT count(*)::integer AS count FROM app.${name} WHERE org_id = $1`,
      [orgId],
    );
    counts[name] = row?.count ?? -1;
  }
  return counts;
}
