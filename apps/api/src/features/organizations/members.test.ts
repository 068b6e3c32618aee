import { createInvitation } from '@millrace/shared/contracts/invitations';
import * as contracts from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import type { RoleKey } from '@millrace/shared/permissions';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import {
  addDisabledOwner,
  addMember,
  addOrganization,
  demoteWhileWaiting,
  type Person,
  queryAsAdmin,
} from './testing.ts';

const ROLES: RoleKey[] = ['owner', 'admin', 'member'];

let api: TestApi;
let orgId: string;
let owner: Person;
let slug: string;

beforeAll(async () => {
  api = await openTestApi();
});

beforeEach(async () => {
  ({ orgId, owner, slug } = await addOrganization(api));
});

afterAll(async () => {
  await api.close();
});

/**
 * I2, written out: what each role may do to whom. A column is what is asked for: giving a role, removing, or handing the
 * organization over. `self` is the caller, who is not the only owner; `stranger` is a member of another organization.
 */
const TABLE = `
  actor   target    owner  admin  member  remove  transfer
  owner   owner     200    200    200     200     200
  owner   admin     200    200    200     200     200
  owner   member    200    200    200     200     200
  owner   self      200    200    200     200     400
  owner   stranger  404    404    404     404     404
  admin   owner     403    403    403     403     403
  admin   admin     403    200    200     200     403
  admin   member    403    200    200     200     403
  admin   self      403    200    200     200     403
  admin   stranger  404    404    404     404     403
  member  owner     403    403    403     403     403
  member  admin     403    403    403     403     403
  member  member    403    403    403     403     403
  member  self      403    403    403     200     403
  member  stranger  403    403    403     403     403`;

/** I2: whom each role may invite as what. Nobody is invited as an owner: 400. */
const INVITATIONS = `
  actor   owner  admin  member
  owner   400    201    201
  admin   400    201    201
  member  403    403    403`;

const CODES: Record<string, string> = { 400: 'BAD_REQUEST', 403: 'FORBIDDEN', 404: 'NOT_FOUND' };

describe('I2: the table of who may do what to whom', () => {
  it.each(readTable(TABLE, 2))(
    '$actor, to $target: $action answers $status',
    async ({ actor, target, action, status }) => {
      const person = await addMember(api, orgId, actor as RoleKey);
      const subject = await findSubject(person, target ?? '');
      const before = await readRoles();
      const answer = await ask(person, subject.id, action);
      expect(answer.status, answer.text).toBe(status);
      if (status === 200) return expect(await readRoles()).toEqual(afterwards(before, person, subject, action));
      expect(answer.body.code).toBe(CODES[status]);
      expect(await readRoles()).toEqual(before);
    },
  );

  it.each(readTable(INVITATIONS, 1))('$actor invites as $action: $status', async ({ actor, action, status }) => {
    const { token } = await addMember(api, orgId, actor as RoleKey);
    const body = { email: 'guest@example.com', roleKey: action as 'admin' };
    const answer = await call(api, createInvitation, { token, params: { orgId }, body });
    expect(answer.status, answer.text).toBe(status);
    if (status !== 201) expect(answer.body.code).toBe(CODES[status]);
    const stored = await queryAsAdmin<{ role: string }>(
      api,
      'SELECT role_key AS role FROM app.organization_invitations WHERE org_id = $1',
      [orgId],
    );
    expect(stored).toEqual(status === 201 ? [{ role: action }] : []);
  });

  it.each(ROLES)('%s uses the other endpoints as the permissions say', async (role) => {
    const { token } = await addMember(api, orgId, role);
    const input = { token, params: { orgId } };
    expect((await call(api, contracts.getOrganization, input)).status).toBe(200);
    expect((await call(api, contracts.listMembers, input)).status).toBe(200);
    const renamed = await call(api, contracts.updateOrganization, { ...input, body: { name: 'Other' } });
    expect(renamed.status).toBe(role === 'member' ? 403 : 200);
    // With a wrong confirmation: 400 shows that the role was accepted.
    const deleted = await call(api, contracts.deleteOrganization, { ...input, body: { confirm: 'no' } });
    expect(deleted.status).toBe(role === 'owner' ? 400 : 403);
  });
});

/** One case for each cell; the first `keys` columns say who and whom, the heading of each other column what. */
function readTable(text: string, keys: number) {
  const [headings = [], ...rows] = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/));
  const cases = rows.flatMap(([actor = '', ...rest]) =>
    headings.slice(keys).map((action, index) => ({
      actor,
      target: keys === 2 ? rest[0] : undefined,
      action,
      status: Number(rest[index + keys - 1]),
    })),
  );
  if (cases.some(({ status }) => !(status >= 200))) throw new Error('the table has a hole');
  return cases;
}

async function findSubject(person: Person, target: string): Promise<Person> {
  if (target === 'self') return person;
  if (target === 'stranger') return (await addOrganization(api)).owner;
  return addMember(api, orgId, target as RoleKey);
}

function ask(person: Person, memberId: string, action: string) {
  if (action === 'remove') return remove(person, memberId);
  return action === 'transfer' ? transfer(person, memberId) : changeRole(person, memberId, action as RoleKey);
}

/** The roles that must be left once the change was made. */
function afterwards(before: Record<string, RoleKey>, person: Person, subject: Person, action: string) {
  if (action === 'transfer') return { ...before, [person.id]: 'admin', [subject.id]: 'owner' };
  const { [subject.id]: _, ...others } = before;
  return action === 'remove' ? others : { ...others, [subject.id]: action };
}

it('answers with the membership, audits a change, and audits nothing when the role stays', async () => {
  const member = await addMember(api, orgId, 'member');
  const changed = await changeRole(owner, member.id, 'admin');
  expect(changed.body.membership).toMatchObject({ organizationId: orgId, userId: member.id, roleKey: 'admin' });
  expect((await changeRole(owner, member.id, 'admin')).status).toBe(200);
  await remove(owner, member.id);
  const rows = await queryAsAdmin(
    api,
    'SELECT action, subject_id AS subject, data FROM app.audit_log WHERE org_id = $1 AND seq > 1 ORDER BY seq',
    [orgId],
  );
  expect(rows).toEqual([
    { action: 'member.change_role', subject: member.id, data: { roleKey: 'admin', previousRoleKey: 'member' } },
    { action: 'member.remove', subject: member.id, data: { roleKey: 'admin' } },
  ]);
});

it('answers 404 for somebody who is no member, also when they are one elsewhere', async () => {
  const elsewhere = await addOrganization(api);
  for (const id of [newId(), elsewhere.owner.id]) {
    expect((await changeRole(owner, id, 'admin')).body.code).toBe('NOT_FOUND');
    expect((await remove(owner, id)).body.code).toBe('NOT_FOUND');
  }
  expect(await readRole(elsewhere.owner, elsewhere.orgId)).toBe('owner');
});

it('does not tell a plain member who else is one', async () => {
  const member = await addMember(api, orgId, 'member');
  for (const id of [newId(), owner.id]) expect((await remove(member, id)).body.code).toBe('FORBIDDEN');
});

it('keeps the last owner from leaving and from being demoted', async () => {
  await addMember(api, orgId, 'admin');
  const left = await remove(owner, owner.id);
  expect([left.status, left.body.code]).toEqual([409, 'LAST_OWNER']);
  for (const role of ['admin', 'member'] as const) {
    const demoted = await changeRole(owner, owner.id, role);
    expect([demoted.status, demoted.body.code]).toEqual([409, 'LAST_OWNER']);
  }
  expect(await readRole(owner)).toBe('owner');
});

it('keeps the last owner who can act, whatever disabled owners there are beside (I2)', async () => {
  const disabled = await addDisabledOwner(api, orgId);
  const left = await remove(owner, owner.id);
  expect([left.status, left.body.code]).toEqual([409, 'LAST_OWNER']);
  const demoted = await changeRole(owner, owner.id, 'admin');
  expect([demoted.status, demoted.body.code]).toEqual([409, 'LAST_OWNER']);
  const transferred = await transfer(owner, disabled.id);
  expect([transferred.status, transferred.body.code]).toEqual([409, 'LAST_OWNER']);
  expect(await readRole(owner)).toBe('owner');
  expect((await changeRole(owner, disabled.id, 'member')).status).toBe(200);
});

it('takes a removed or demoted person at the next request for what they are', async () => {
  const admin = await addMember(api, orgId, 'admin');
  await changeRole(owner, admin.id, 'member');
  expect((await changeRole(admin, admin.id, 'admin')).body.code).toBe('FORBIDDEN');
  await remove(owner, admin.id);
  expect((await changeRole(admin, admin.id, 'admin')).body.code).toBe('ORG_ACCESS_DENIED');
});

it('judges by the role of the moment when a change gets its turn, not by the one that let it in', async () => {
  const demoted = await addMember(api, orgId, 'owner');
  const [second, third] = [await addMember(api, orgId, 'owner'), await addMember(api, orgId, 'admin')];
  const answers = await demoteWhileWaiting<{ status: number }>(api, orgId, demoted, [
    () => changeRole(demoted, second.id, 'member'),
    () => changeRole(demoted, demoted.id, 'owner'),
    () => remove(demoted, third.id),
    () => transfer(demoted, third.id),
    () => call(api, contracts.deleteOrganization, { token: demoted.token, params: { orgId }, body: { confirm: slug } }),
    () =>
      call(api, createInvitation, {
        token: demoted.token,
        params: { orgId },
        body: { email: 'guest@example.com', roleKey: 'admin' },
      }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
  expect([await readRole(demoted), await readRole(second), await readRole(third)]).toEqual([
    'member',
    'owner',
    'admin',
  ]);
});

it('hands the organization over: the member becomes owner and the caller admin, in one audited step', async () => {
  const member = await addMember(api, orgId, 'member');
  const { status, body } = await transfer(owner, member.id);
  expect(status).toBe(200);
  expect(body.membership).toMatchObject({ organizationId: orgId, userId: member.id, roleKey: 'owner' });
  expect(body.previousOwner).toMatchObject({ organizationId: orgId, userId: owner.id, roleKey: 'admin' });
  expect(await readRoles()).toEqual({ [member.id]: 'owner', [owner.id]: 'admin' });
  const [entry] = await queryAsAdmin(
    api,
    'SELECT action, actor_user_id AS actor, subject_id AS subject, data FROM app.audit_log WHERE org_id = $1 AND seq = 2',
    [orgId],
  );
  expect(entry).toEqual({
    action: 'organization.transfer',
    actor: owner.id,
    subject: orgId,
    data: { fromUserId: owner.id, toUserId: member.id, previousRoleKey: 'member' },
  });
  expect((await transfer(owner, member.id)).body.code).toBe('FORBIDDEN');
});

function changeRole(actor: Person, memberId: string, roleKey: RoleKey) {
  return call(api, contracts.changeMemberRole, { token: actor.token, params: { orgId, memberId }, body: { roleKey } });
}

function remove(actor: Person, memberId: string) {
  return call(api, contracts.removeMember, { token: actor.token, params: { orgId, memberId } });
}

function transfer(actor: Person, memberId: string) {
  return call(api, contracts.transferOrganization, { token: actor.token, params: { orgId }, body: { memberId } });
}

async function readRoles(): Promise<Record<string, RoleKey>> {
  const rows = await queryAsAdmin<{ id: string; role: RoleKey }>(
    api,
    'SELECT user_id AS id, role_key AS role FROM app.memberships WHERE org_id = $1',
    [orgId],
  );
  return Object.fromEntries(rows.map(({ id, role }) => [id, role]));
}

async function readRole(person: Person, inOrg = orgId): Promise<RoleKey | undefined> {
  const rows = await queryAsAdmin<{ role: RoleKey }>(
    api,
    'SELECT role_key AS role FROM app.memberships WHERE org_id = $1 AND user_id = $2',
    [inOrg, person.id],
  );
  return rows[0]?.role;
}
