import { createHash } from 'node:crypto';
import * as contracts from '@millrace/shared/contracts/api-keys';
import { createInvitation } from '@millrace/shared/contracts/invitations';
import { getMe, listSessions } from '@millrace/shared/contracts/me';
import * as organizations from '@millrace/shared/contracts/organizations';
import { createRun } from '@millrace/shared/contracts/runs';
import * as workflows from '@millrace/shared/contracts/workflows';
import { newId } from '@millrace/shared/ids';
import type { Permission, RoleKey } from '@millrace/shared/permissions';
import type pg from 'pg';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildApp } from '../../app.ts';
import { closeDeps, openDeps } from '../../deps.ts';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, demoteWhileWaiting, type Person } from '../organizations/testing.ts';

let api: TestApi;
let admin: pg.Pool;
let orgId: string;
let owner: Person;

beforeAll(async () => {
  api = await openTestApi();
  admin = new Pool({ connectionString: api.adminUrl, max: 2 });
});
beforeEach(async () => {
  ({ orgId, owner } = await addOrganization(api));
});
afterAll(async () => {
  await admin.end();
  await api.close();
});

const create = (maker: Person, body: Record<string, unknown>) =>
  call(api, contracts.createApiKey, { token: maker.token, params: { orgId }, body: { name: 'Key', ...body } });

async function makeKey(maker: Person, ...permissions: Permission[]) {
  const { status, body, text } = await create(maker, { permissions });
  if (status !== 201) throw new Error(`no key was made: ${text}`);
  return body.apiKey;
}

const revoke = (person: Person, apiKeyId: string) =>
  call(api, contracts.revokeApiKey, { token: person.token, params: { orgId, apiKeyId } });
const list = (person: Person, query: Record<string, string> = {}) =>
  call(api, contracts.listApiKeys, { token: person.token, params: { orgId }, query });
const readMembers = async (key: string, inOrg = orgId) => {
  const { status, body } = await call(api, organizations.listMembers, { token: key, params: { orgId: inOrg } });
  return [status, body.code];
};

describe('making a key', () => {
  it('shows a key of 256 bits once and stores only its SHA-256', async () => {
    const { status, body } = await create(owner, { name: ' Deploy ', permissions: ['run:start', 'run:read'] });
    expect(status).toBe(201);
    const { key, ...shown } = body.apiKey;
    expect(key).toMatch(/^mr_[A-Za-z0-9_-]{43}$/);
    expect(shown).toEqual({
      id: expect.any(String),
      organizationId: orgId,
      name: 'Deploy',
      keyHint: key.slice(-4),
      permissions: ['run:start', 'run:read'],
      createdByUserId: owner.id,
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
    });
    const { rows } = await admin.query('SELECT key_hash, t::text AS row FROM app.api_keys t WHERE id = $1', [shown.id]);
    expect(rows[0].key_hash).toEqual(createHash('sha256').update(key).digest());
    const everything = await admin.query(
      'SELECT data::text AS text FROM app.audit_log UNION ALL SELECT response::text FROM app.idempotency_keys',
    );
    const stored = [rows[0].row, ...everything.rows.map(({ text }) => text)].join('\n');
    expect(stored + JSON.stringify(api.logLines) + (await list(owner)).text).not.toContain(key.slice(3, -4));
    expect((await list(owner)).body).toEqual({ apiKeys: [shown], nextCursor: null });
  });

  it('gives each key another secret', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => makeKey(owner, 'run:read')));
    expect(new Set(keys.map(({ key }) => key)).size).toBe(20);
  });

  it.each(['api-key:write', 'org:delete', 'org:transfer'])('never gives one %s, and says so', async (permission) => {
    const { status, body } = await create(owner, { permissions: ['run:read', permission] });
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(body.details).toMatchObject([{ path: 'permissions.1', message: expect.stringContaining(permission) }]);
  });

  it.each([
    ['no permission', { permissions: [] }],
    ['a permission twice', { permissions: ['run:read', 'run:read'] }],
    ['an unknown permission', { permissions: ['run:burn'] }],
    ['no permissions at all', {}],
    ['an empty name', { name: ' ', permissions: ['run:read'] }],
    ['an expiry in the past', { permissions: ['run:read'], expiresAt: new Date(Date.now() - 1000).toISOString() }],
    ['an expiry in the year 0', { permissions: ['run:read'], expiresAt: '0000-01-01T00:00:00Z' }],
    ['an expiry in 5 years and a day', { permissions: ['run:read'], expiresAt: inYears(5, 1) }],
    ['an expiry at no time', { permissions: ['run:read'], expiresAt: 'tomorrow' }],
    ['an expiry as a number', { permissions: ['run:read'], expiresAt: 1_900_000_000 }],
  ])('refuses %s with 400', async (_name, body) => {
    expect((await create(owner, body)).status).toBe(400);
    expect((await list(owner)).body.apiKeys).toEqual([]);
  });

  it('accepts an expiry of almost 5 years', async () => {
    const expiresAt = inYears(5, -1);
    expect((await create(owner, { permissions: ['run:read'], expiresAt })).body.apiKey.expiresAt).toBe(expiresAt);
  });

  it('refuses what the role of its maker does not hold, also when it is lowered while the request waits', async () => {
    const member = await addMember(api, orgId, 'member');
    expect((await create(member, { permissions: ['run:read'] })).body.code).toBe('FORBIDDEN');
    const demoted = await addMember(api, orgId, 'admin');
    const permissions = ['run:read', 'workflow:write'];
    const [late] = await demoteWhileWaiting(api, orgId, demoted, [() => create(demoted, { permissions })]);
    expect([late?.status, late?.body.code]).toEqual([403, 'FORBIDDEN']);
    expect(late?.body.message).toContain('workflow:write');
    expect((await list(owner)).body.apiKeys).toEqual([]);
  });

  it('stops at 100 live keys, however many are asked for at once; revoked and expired ones do not count', async () => {
    await admin.query(
      `INSERT INTO app.api_keys (org_id, id, name, key_hash, key_hint, permissions, created_by_user_id, expires_at, revoked_at)
       SELECT $1, gen_random_uuid(), 'Old', sha256(n::text::bytea), 'hint', '{run:read}', $2,
         CASE WHEN n % 3 = 0 THEN now() - interval '1 s' END, CASE WHEN n % 3 = 1 THEN now() END
       FROM generate_series(1, 285) n`,
      [orgId, owner.id],
    );
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(owner, { permissions: ['run:read'] })));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([201, 201, 201, 201, 201, 409, 409, 409, 409, 409]);
    const made = answers.find(({ status }) => status === 201)?.body.apiKey;
    await revoke(owner, made?.id ?? '');
    expect((await create(owner, { permissions: ['run:read'] })).status).toBe(201);
  });

  it('audits making and revoking without the key', async () => {
    const key = await makeKey(owner, 'run:read');
    const second = await addMember(api, orgId, 'admin');
    await revoke(second, key.id);
    await revoke(second, key.id);
    const { rows } = await admin.query(
      `SELECT action, subject_type, subject_id, actor_user_id, data FROM app.audit_log
       WHERE org_id = $1 AND subject_type = 'api-key' ORDER BY seq`,
      [orgId],
    );
    const subject = { subject_type: 'api-key', subject_id: key.id };
    const told = { name: 'Key', keyHint: key.keyHint };
    expect(rows).toEqual([
      {
        action: 'api-key.create',
        actor_user_id: owner.id,
        ...subject,
        data: { ...told, permissions: ['run:read'], expiresAt: null },
      },
      { action: 'api-key.revoke', actor_user_id: second.id, ...subject, data: told },
    ]);
  });
});

it('lists by pages, newest first, and only to those who hold api-key:read', async () => {
  const made = [];
  for (let n = 0; n < 5; n += 1) made.push((await makeKey(owner, 'run:read')).id);
  await revoke(owner, made[2] ?? '');
  const first = (await list(owner, { limit: '2' })).body;
  const second = (await list(owner, { limit: '2', cursor: first.nextCursor ?? '' })).body;
  expect([...first.apiKeys, ...second.apiKeys].map(({ id }) => id)).toEqual([made[4], made[3], made[1], made[0]]);
  expect(second.nextCursor).toBeNull();
  expect((await list(await addMember(api, orgId, 'admin'))).status).toBe(200);
  expect((await list(await addMember(api, orgId, 'member'))).body.code).toBe('FORBIDDEN');
  const key = await makeKey(owner, 'api-key:read');
  expect((await call(api, contracts.listApiKeys, { token: key.key, params: { orgId } })).status).toBe(200);
});

it('answers 404 to revoking what is unknown or belongs to another organization, 200 to revoking twice', async () => {
  const key = await makeKey(owner, 'run:read');
  const other = await addOrganization(api);
  const foreign = await call(api, contracts.revokeApiKey, {
    token: other.owner.token,
    params: { orgId: other.orgId, apiKeyId: key.id },
  });
  expect([foreign.status, foreign.body.code]).toEqual([404, 'NOT_FOUND']);
  expect((await revoke(owner, newId())).status).toBe(404);
  expect([(await revoke(owner, key.id)).status, (await revoke(owner, key.id)).status]).toEqual([200, 200]);
});

describe('using a key', () => {
  it('does what it was given and its maker may, in its own organization only', async () => {
    const { key } = await makeKey(owner, 'member:read');
    expect(await readMembers(key)).toEqual([200, undefined]);
    const other = await addOrganization(api);
    await addMember(api, other.orgId, 'owner', owner);
    expect(await readMembers(key, other.orgId)).toEqual([403, 'ORG_ACCESS_DENIED']);
    const lacking = await call(api, workflows.listWorkflows, { token: key, params: { orgId } });
    expect([lacking.status, lacking.body.code]).toEqual([403, 'FORBIDDEN']);
    expect(lacking.body.message).toContain('workflow:read');
    const me = await call(api, getMe, { token: key });
    expect(me.body.memberships.map(({ organization }) => organization.id)).toEqual([orgId]);
  });

  it('is refused at once when revoked, expired, or when its maker is disabled, removed or demoted', async () => {
    const admins = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(() => addMember(api, orgId, 'admin')));
    const keys = await Promise.all(admins.map((maker) => makeKey(maker, 'invitation:read', 'member:read')));
    for (const { key } of keys) expect(await readMembers(key)).toEqual([200, undefined]);
    const [revoked, expired, disabled, removed, demoted] = keys.map(({ id, key }, n) => ({
      id,
      key,
      maker: admins[n] as Person,
    })) as [Made, Made, Made, Made, Made];
    await revoke(owner, revoked.id);
    await admin.query(`UPDATE app.api_keys SET expires_at = now() WHERE id = $1`, [expired.id]);
    await admin.query('UPDATE app.users SET disabled_at = now() WHERE id = $1', [disabled.maker.id]);
    await call(api, organizations.removeMember, { token: owner.token, params: { orgId, memberId: removed.maker.id } });
    for (const { key } of [revoked, expired, disabled, removed])
      expect(await readMembers(key)).toEqual([401, 'UNAUTHORIZED']);

    await call(api, organizations.changeMemberRole, {
      token: owner.token,
      params: { orgId, memberId: demoted.maker.id },
      body: { roleKey: 'member' },
    });
    expect(await readMembers(demoted.key)).toEqual([200, undefined]); // members hold this one too
    expect((await invite(demoted.key, 'member')).body.code).toBe('FORBIDDEN');
  });

  it('is not brought back to life when its removed maker joins again', async () => {
    const maker = await addMember(api, orgId, 'admin');
    const { key } = await makeKey(maker, 'member:read');
    await call(api, organizations.removeMember, { token: maker.token, params: { orgId, memberId: maker.id } });
    await addMember(api, orgId, 'admin', maker);
    expect(await readMembers(key)).toEqual([401, 'UNAUTHORIZED']);
    expect((await list(owner)).body.apiKeys).toEqual([]);
  });

  it('ends at the next request on another instance when it is revoked on this one', async () => {
    const deps = await openDeps(api.deps.config, api.deps.log);
    const second: TestApi = { ...api, deps, app: await buildApp(deps) };
    try {
      const { id, key } = await makeKey(owner, 'member:read');
      const read = () => call(second, organizations.listMembers, { token: key, params: { orgId } });
      expect((await read()).status).toBe(200);
      await revoke(owner, id);
      expect((await read()).status).toBe(401);
    } finally {
      await second.app.close();
      await closeDeps(deps);
    }
  });

  it.each(['', 'x', 'A'.repeat(43), 'a'.repeat(4000)])('is refused when it is none of ours: mr_%s', async (secret) => {
    expect(await readMembers(`mr_${secret}`)).toEqual([401, 'UNAUTHORIZED']);
  });

  it('cannot do what takes a person', async () => {
    const { key } = await makeKey(owner, 'org:read');
    // Even one that was given the permission behind the API's back.
    await admin.query(`UPDATE app.api_keys SET permissions = '{api-key:write,org:delete}' WHERE org_id = $1`, [orgId]);
    const { rows } = await admin.query('SELECT slug FROM app.organizations WHERE id = $1', [orgId]);
    const asKey = { token: key, params: { orgId } };
    const refused = [
      await call(api, contracts.createApiKey, { ...asKey, body: { name: 'Second', permissions: ['run:read'] } }),
      await call(api, contracts.revokeApiKey, { token: key, params: { orgId, apiKeyId: newId() } }),
      await call(api, organizations.deleteOrganization, { ...asKey, body: { confirm: rows[0].slug } }),
      await call(api, organizations.createOrganization, { token: key, body: { name: 'New', slug: 'new-one' } }),
      await call(api, listSessions, { token: key }),
    ];
    for (const { status, body } of refused) {
      expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
      expect(body.message).toContain('An API key cannot do this');
    }
  });

  it('notes its use at most once a minute, also when many requests come at once', async () => {
    const { id, key } = await makeKey(owner, 'member:read');
    const noted = async () => {
      const { rows } = await admin.query('SELECT last_used_at AS at, xmin::text FROM app.api_keys WHERE id = $1', [id]);
      return rows[0];
    };
    const before = await noted();
    expect(before.at).toBeNull();
    await Promise.all(Array.from({ length: 20 }, () => readMembers(key)));
    const first = await noted();
    expect(Math.abs(first.at - Date.now())).toBeLessThan(60_000);
    await readMembers(key);
    expect(await noted()).toEqual(first);
    await admin.query(`UPDATE app.api_keys SET last_used_at = now() - interval '61 s' WHERE id = $1`, [id]);
    await readMembers(key);
    expect((await noted()).at.getTime()).toBeGreaterThanOrEqual(first.at.getTime());
    expect((await list(owner)).body.apiKeys[0]?.lastUsedAt).toBe((await noted()).at.toISOString());
  });

  it('starts runs in the name of its maker, once for each Idempotency-Key', async () => {
    const { key } = await makeKey(owner, 'workflow:write', 'workflow:publish', 'run:start');
    const body = { name: 'Flow', dsl: DSL };
    const { workflow } = (await call(api, workflows.createWorkflow, { token: key, params: { orgId }, body })).body;
    expect(workflow.createdByUserId).toBe(owner.id);
    const target = { token: key, params: { orgId, workflowId: workflow.id } };
    expect((await call(api, workflows.publishWorkflow, target)).status).toBe(200);
    const start = (token: string) =>
      call(api, createRun, { ...target, token, body: {}, headers: { 'idempotency-key': 'once' } });
    const [first, again, byPerson] = [await start(key), await start(key), await start(owner.token)];
    expect(first.status).toBe(201);
    expect(first.body.run.requestedByUserId).toBe(owner.id);
    for (const { headers, body: replayed } of [again, byPerson]) {
      expect(headers['idempotency-replayed']).toBe('true');
      expect(replayed).toEqual(first.body);
    }
    const { rows } = await admin.query(
      `SELECT DISTINCT actor_user_id, actor_api_key_id IS NOT NULL AS is_key FROM app.audit_log
       WHERE org_id = $1 AND subject_type = 'workflow'`,
      [orgId],
    );
    expect(rows).toEqual([{ actor_user_id: owner.id, is_key: true }]);
  });
});

describe('a key and the people of its organization', () => {
  const remove = (key: string, memberId: string) =>
    call(api, organizations.removeMember, { token: key, params: { orgId, memberId } });
  const changeRole = (key: string, memberId: string, roleKey: RoleKey) =>
    call(api, organizations.changeMemberRole, { token: key, params: { orgId, memberId }, body: { roleKey } });

  it.each(['owner', 'admin'] as const)('does not leave as its maker (%s)', async (role) => {
    const maker = await addMember(api, orgId, role);
    const { key } = await makeKey(maker, 'member:remove');
    const { status, body } = await remove(key, maker.id);
    expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
    expect(body.message).toContain('cannot leave');
    expect((await list(maker)).status).toBe(200);
  });

  it('removes members and admins, but no owner, even when an owner made it', async () => {
    const { key } = await makeKey(owner, 'member:remove');
    for (const role of ['member', 'admin'] as const)
      expect((await remove(key, (await addMember(api, orgId, role)).id)).status).toBe(200);
    expect((await remove(key, (await addMember(api, orgId, 'owner')).id)).body.code).toBe('FORBIDDEN');
  });

  it('gives nobody a role above member, by invitation or by change, so that no admin can make it further keys', async () => {
    const { key } = await makeKey(owner, 'member:change-role', 'invitation:write');
    const [member, secondAdmin, secondOwner] = [
      await addMember(api, orgId, 'member'),
      await addMember(api, orgId, 'admin'),
      await addMember(api, orgId, 'owner'),
    ];
    for (const roleKey of ['admin', 'owner'] as const)
      expect((await changeRole(key, member.id, roleKey)).body.code).toBe('FORBIDDEN');
    expect((await changeRole(key, secondOwner.id, 'member')).body.code).toBe('FORBIDDEN');
    expect((await changeRole(key, secondAdmin.id, 'member')).status).toBe(200);
    expect((await invite(key, 'admin')).body.code).toBe('FORBIDDEN');
    expect((await invite(key, 'member')).status).toBe(201);
  });

  it('is of no use to a stranger who has none', async () => {
    const stranger = await addPerson(api);
    expect((await create(stranger, { permissions: ['run:read'] })).body.code).toBe('ORG_ACCESS_DENIED');
  });
});

interface Made {
  id: string;
  key: string;
  maker: Person;
}

const DSL = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'one', type: 'transform', config: { value: 1 } }],
};

function invite(key: string, roleKey: 'admin' | 'member') {
  const body = { email: `${newId()}@example.com`, roleKey };
  return call(api, createInvitation, { token: key, params: { orgId }, body });
}

function inYears(years: number, days: number): string {
  const time = new Date();
  time.setUTCFullYear(time.getUTCFullYear() + years);
  time.setUTCDate(time.getUTCDate() + days);
  return time.toISOString();
}
