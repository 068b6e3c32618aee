import { randomBytes } from 'node:crypto';
import { newId } from '@millrace/shared/ids';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeDatabase, connectDatabase, type Database } from './connect.ts';
import { sqlStateOf } from './failures.ts';
import { authorize, findInvitationByTokenHash, listOrganizationsOfUser } from './lookups.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type SeededTenant, seedTenant } from './testing-rows.ts';

let database: TestDatabase;
let admin: pg.Pool;
let api: Database;
let tenant: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Pool({ connectionString: database.adminUrl, max: 2 });
  api = connectDatabase({ url: database.apiUrl, poolSize: 2, applicationName: 'lookups-test', onError: () => {} });
  tenant = await seedTenant(admin);
  other = await seedTenant(admin);
});

afterAll(async () => {
  await Promise.all([admin.end(), closeDatabase(api)]);
  await database.drop();
});

describe('authorize', () => {
  const ask = (change: Partial<{ sessionId: string; userId: string; orgId: string | null }> = {}) =>
    authorize(api, { sessionId: tenant.sessionId, userId: tenant.userId, orgId: tenant.orgId, ...change });

  it('answers whether the session lives and which role its user has', async () => {
    expect(await ask()).toEqual({ isSessionActive: true, roleKey: 'owner' });
    expect(await ask({ orgId: null })).toEqual({ isSessionActive: true, roleKey: null });
    expect(await ask({ orgId: other.orgId })).toEqual({ isSessionActive: true, roleKey: null });
    expect(await ask({ orgId: newId() })).toEqual({ isSessionActive: true, roleKey: null });
  });

  it('refuses an unknown session and a session of somebody else', async () => {
    expect((await ask({ sessionId: newId() })).isSessionActive).toBe(false);
    expect((await ask({ sessionId: other.sessionId })).isSessionActive).toBe(false);
    expect((await ask({ userId: other.userId })).isSessionActive).toBe(false);
    await expect(ask({ sessionId: 'x' })).rejects.toThrow(TypeError);
  });

  it.each([
    "revoked_at = now() - interval '1 ms'",
    "idle_expires_at = now() - interval '1 ms'",
    "absolute_expires_at = now() - interval '1 ms'",
  ])('refuses a session at once when %s', async (change) => {
    const fresh = await seedTenant(admin);
    const askFresh = () => authorize(api, { sessionId: fresh.sessionId, userId: fresh.userId, orgId: fresh.orgId });
    expect((await askFresh()).isSessionActive).toBe(true);
    await admin.query(`UPDATE app.auth_sessions SET ${change} WHERE id = $1`, [fresh.sessionId]);
    expect((await askFresh()).isSessionActive).toBe(false);
  });

  it('sees a changed role and a removed member at once', async () => {
    const fresh = await seedTenant(admin);
    const role = async () =>
      (await authorize(api, { sessionId: fresh.sessionId, userId: fresh.userId, orgId: fresh.orgId })).roleKey;
    await admin.query(`UPDATE app.memberships SET role_key = 'member' WHERE id = $1`, [fresh.membershipId]);
    expect(await role()).toBe('member');
    await admin.query('DELETE FROM app.memberships WHERE id = $1', [fresh.membershipId]);
    expect(await role()).toBeNull();
  });
});

describe('listOrganizationsOfUser', () => {
  it('lists the organizations of this user alone', async () => {
    await admin.query(`INSERT INTO app.memberships (org_id, id, user_id, role_key) VALUES ($1, $2, $3, 'member')`, [
      other.orgId,
      newId(),
      tenant.userId,
    ]);
    expect(await listOrganizationsOfUser(api, tenant.userId)).toEqual([
      { id: tenant.orgId, slug: tenant.orgId, name: 'Org', createdAt: expect.any(Date), roleKey: 'owner' },
      { id: other.orgId, slug: other.orgId, name: 'Org', createdAt: expect.any(Date), roleKey: 'member' },
    ]);
    expect(await listOrganizationsOfUser(api, other.userId)).toHaveLength(1);
    expect(await listOrganizationsOfUser(api, newId())).toEqual([]);
  });
});

describe('findInvitationByTokenHash', () => {
  it('finds exactly the invitation of this token, whatever has become of it', async () => {
    const found = { orgId: tenant.orgId, id: tenant.invitationId };
    expect(await findInvitationByTokenHash(api, tenant.invitationTokenHash)).toEqual(found);
    await admin.query('UPDATE app.organization_invitations SET expires_at = now(), accepted_at = now() WHERE id = $1', [
      tenant.invitationId,
    ]);
    expect(await findInvitationByTokenHash(api, tenant.invitationTokenHash)).toEqual(found);
    expect(await findInvitationByTokenHash(api, randomBytes(32))).toBeNull();
    expect(await findInvitationByTokenHash(api, Buffer.alloc(0))).toBeNull();
  });
});

describe('the look-up functions', () => {
  it('may be executed by those who need them and nobody else, and answer only these columns', async () => {
    const { rows } = await admin.query(`
      SELECT p.proname AS name, pg_get_function_result(p.oid) AS answer,
        array(SELECT r.rolname::text FROM pg_roles r
              WHERE r.rolname IN ('app_api', 'app_worker') AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
              ORDER BY 1) AS callers
      FROM pg_proc p WHERE p.pronamespace = 'sys'::regnamespace ORDER BY 1`);
    expect(rows).toEqual([
      { name: 'advance_audit_head', answer: 'trigger', callers: [] },
      { name: 'authorize', answer: 'TABLE(is_session_active boolean, role_key text)', callers: ['app_api'] },
      {
        name: 'authorize_api_key',
        answer: 'TABLE(org_id uuid, id uuid, user_id uuid, role_key text, permissions text[], is_use_stale boolean)',
        callers: ['app_api'],
      },
      { name: 'bury_organization', answer: 'trigger', callers: [] },
      { name: 'count_queued_runs', answer: 'TABLE(admitted integer, held integer)', callers: ['app_api'] },
      { name: 'due_schedules', answer: 'TABLE(org_id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'invitation_by_token', answer: 'TABLE(org_id uuid, id uuid)', callers: ['app_api'] },
      { name: 'is_slug_taken', answer: 'boolean', callers: ['app_api'] },
      { name: 'left_places', answer: 'TABLE(org_id uuid, id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'next_tick_in', answer: 'double precision', callers: ['app_api', 'app_worker'] },
      {
        name: 'orgs_of_user',
        answer: 'TABLE(id uuid, slug text, name text, created_at timestamp with time zone, role_key text)',
        callers: ['app_api'],
      },
      { name: 'orgs_with_held_runs', answer: 'TABLE(org_id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'orgs_with_old_runs', answer: 'TABLE(org_id uuid, days integer)', callers: ['app_api'] },
      { name: 'purge_hook_deliveries', answer: 'integer', callers: ['app_api'] },
      { name: 'purge_idempotency_keys', answer: 'integer', callers: ['app_api'] },
      { name: 'refuse_deleted_organization', answer: 'trigger', callers: [] },
      { name: 'stuck_child_events', answer: 'TABLE(org_id uuid, run_id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'stuck_hook_deliveries', answer: 'TABLE(org_id uuid, id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'stuck_runs', answer: 'TABLE(org_id uuid, id uuid)', callers: ['app_api', 'app_worker'] },
      { name: 'take_failure_notices', answer: 'TABLE(org_id uuid, workflow_id uuid)', callers: ['app_api'] },
      { name: 'take_org_mails', answer: 'TABLE(org_id uuid, id uuid)', callers: ['app_api'] },
      { name: 'workflow_by_hook', answer: 'TABLE(org_id uuid, workflow_id uuid)', callers: ['app_api'] },
    ]);
  });

  it('are refused to the worker when it tries', async () => {
    const worker = new pg.Client({ connectionString: database.workerUrl });
    await worker.connect();
    for (const call of [
      `sys.authorize('${tenant.sessionId}', '${tenant.userId}', NULL)`,
      `sys.orgs_of_user('${tenant.userId}')`,
      `sys.is_slug_taken('${tenant.orgId}')`,
      `sys.invitation_by_token('\\x00')`,
      `sys.authorize_api_key('\\x00')`,
      `sys.workflow_by_hook('\\x00')`,
      'sys.purge_hook_deliveries(1)',
      'sys.purge_idempotency_keys(1)',
      `sys.take_org_mails(1, 1, '{}')`,
      `sys.take_failure_notices(1, 1, '{}')`,
    ]) {
      const refused = await worker.query(`SELECT * FROM ${call}`).catch((error: unknown) => error);
      expect({ call, state: sqlStateOf(refused) }).toEqual({ call, state: '42501' });
    }
    await worker.end();
  });

  it('belong to a role that can read only what they need and write only the stamps of those who take turns', async () => {
    const client = await admin.connect();
    await client.query('SET ROLE app_resolver');
    const refused = [
      'SELECT email FROM app.users',
      'SELECT refresh_hash FROM app.auth_sessions',
      'SELECT email FROM app.organization_invitations',
      'SELECT recipient FROM app.org_mails',
      'SELECT response FROM app.idempotency_keys',
      'SELECT action FROM app.audit_log',
      'DELETE FROM app.audit_heads',
      'SELECT hash FROM app.deleted_organizations',
      'DELETE FROM app.deleted_organizations',
      'SELECT name FROM app.workflows',
      'SELECT name FROM app.api_keys',
      'SELECT last_error FROM app.failure_notices',
      'SELECT input FROM app.workflow_runs',
      'SELECT input FROM app.hook_deliveries',
      'SELECT secret_sealed FROM app.workflow_hooks',
      `UPDATE app.hook_deliveries SET input = '1'`,
      'SELECT expression FROM app.workflow_schedules',
      'UPDATE app.workflow_schedules SET next_fire_at = now()',
      'SELECT count(*) FROM app.workflow_versions',
      `UPDATE app.workflow_runs SET status = 'queued'`,
      `UPDATE app.memberships SET role_key = 'owner'`,
      'DELETE FROM app.workflow_runs',
      `INSERT INTO app.roles VALUES ('root', 9)`,
      'CREATE TABLE sys.t (a integer)',
    ];
    for (const text of refused) {
      const error = await client.query(text).catch((cause: unknown) => cause);
      expect({ text, state: sqlStateOf(error) }).toEqual({ text, state: '42501' });
    }
    await client.query('RESET ROLE');
    client.release();
  });
});
