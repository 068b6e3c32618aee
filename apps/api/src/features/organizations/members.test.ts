import { createInvitation } from '@millrace/shared/contracts/invitations';
import * as contracts from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import type { RoleKey } from '@millrace/shared/permissions';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, demoteWhileWaiting, type Person, queryAsAdmin } from './testing.ts';

const ROLES: RoleKey[] = ['owner', 'admin', 'member'];
const RANK: Record<RoleKey, number> = { member: 0, admin: 1, owner: 2 };

let api: TestApi;
let orgId: string;
let owner: Person;

beforeAll(async () => {
  api = await openTestApi();
});

beforeEach(async () => {
  ({ orgId, owner } = await addOrganization(api));
});

afterAll(async () => {
  await api.close();
});

describe('the table of who may do what to whom', () => {
  const cases = ROLES.flatMap((actor) => ROLES.flatMap((target) => ROLES.map((role) => ({ actor, target, role }))));

  it.each(cases)('$actor gives $target the role $role', async ({ actor, target, role }) => {
    const person = await addMember(api, orgId, actor);
    const subject = await addMember(api, orgId, target);
    const { status, body } = await changeRole(person, subject.id, role);
    const isAllowed = RANK[actor] >= 1 && RANK[actor] >= RANK[target] && RANK[actor] >= RANK[role];
    expect(status).toBe(isAllowed ? 200 : 403);
    if (!isAllowed) expect(body.code).toBe('FORBIDDEN');
    expect(await readRole(subject)).toBe(isAllowed ? role : target);
  });

  it.each(ROLES.flatMap((actor) => ROLES.map((target) => ({ actor, target }))))(
    '$actor removes $target',
    async ({ actor, target }) => {
      const person = await addMember(api, orgId, actor);
      const subject = await addMember(api, orgId, target);
      const { status } = await remove(person, subject.id);
      const isAllowed = RANK[actor] >= 1 && RANK[actor] >= RANK[target];
      expect(status).toBe(isAllowed ? 200 : 403);
      expect(await readRole(subject)).toBe(isAllowed ? undefined : target);
    },
  );

  it.each(ROLES)('%s leaves', async (role) => {
    const person = await addMember(api, orgId, role);
    expect((await remove(person, person.id)).status).toBe(200);
    expect(await readRole(person)).toBeUndefined();
  });

  it.each(ROLES)('%s uses the other endpoints as the permissions say', async (role) => {
    const { token } = await addMember(api, orgId, role);
    const input = { token, params: { orgId } };
    const expected = (lowest: RoleKey) => (RANK[role] >= RANK[lowest] ? 200 : 403);
    expect((await call(api, contracts.getOrganization, input)).status).toBe(200);
    expect((await call(api, contracts.listMembers, input)).status).toBe(200);
    const renamed = await call(api, contracts.updateOrganization, { ...input, body: { name: 'Other' } });
    expect(renamed.status).toBe(expected('admin'));
    // With a wrong confirmation: 400 shows that the role was accepted.
    const deleted = await call(api, contracts.deleteOrganization, { ...input, body: { confirm: 'no' } });
    expect(deleted.status).toBe(role === 'owner' ? 400 : 403);
  });
});

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
    () =>
      call(api, createInvitation, {
        token: demoted.token,
        params: { orgId },
        body: { email: 'guest@example.com', roleKey: 'admin' },
      }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
  expect([await readRole(demoted), await readRole(second), await readRole(third)]).toEqual([
    'member',
    'owner',
    'admin',
  ]);
});

it('keeps an owner however two owners demote, remove and leave at the same moment, 50 times', async () => {
  let second = await addMember(api, orgId, 'owner');
  let first = owner;
  for (let round = 0; round < 50; round += 1) {
    const moves = [
      () => Promise.all([changeRole(first, second.id, 'member'), changeRole(second, first.id, 'member')]),
      () => Promise.all([changeRole(first, first.id, 'admin'), changeRole(second, second.id, 'admin')]),
      () => Promise.all([remove(first, first.id), remove(second, second.id)]),
      () => Promise.all([remove(first, second.id), changeRole(second, first.id, 'member')]),
    ] as const;
    const answers = await (moves[round % moves.length] as (typeof moves)[0])();
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    expect(answers.every(({ status }) => [200, 403, 409].includes(status))).toBe(true);
    const owners = await queryAsAdmin<{ id: string }>(
      api,
      `SELECT user_id AS id FROM app.memberships WHERE org_id = $1 AND role_key = 'owner'`,
      [orgId],
    );
    expect(owners).toHaveLength(1);
    if (owners[0]?.id !== first.id) [first, second] = [second, first];
    if (await readRole(second)) await changeRole(first, second.id, 'owner');
    else await addMember(api, orgId, 'owner', second);
  }
});

function changeRole(actor: Person, memberId: string, roleKey: RoleKey) {
  return call(api, contracts.changeMemberRole, { token: actor.token, params: { orgId, memberId }, body: { roleKey } });
}

function remove(actor: Person, memberId: string) {
  return call(api, contracts.removeMember, { token: actor.token, params: { orgId, memberId } });
}

async function readRole(person: Person, inOrg = orgId): Promise<RoleKey | undefined> {
  const rows = await queryAsAdmin<{ role: RoleKey }>(
    api,
    'SELECT role_key AS role FROM app.memberships WHERE org_id = $1 AND user_id = $2',
    [inOrg, person.id],
  );
  return rows[0]?.role;
}
