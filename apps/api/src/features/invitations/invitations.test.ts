import { createHash } from 'node:crypto';
import * as contracts from '@millrace/shared/contracts/invitations';
import { changeMemberRole, removeMember } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import type { RoleKey } from '@millrace/shared/permissions';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import {
  addMember,
  addOrganization,
  addPerson,
  deleteWhileWaiting,
  type Person,
  queryAsAdmin,
} from '../organizations/testing.ts';

let api: TestApi;
let orgId: string;
let owner: Person;
let guest: Person;

beforeAll(async () => {
  api = await openTestApi();
});

beforeEach(async () => {
  ({ orgId, owner } = await addOrganization(api));
  guest = await addPerson(api);
});

afterAll(async () => {
  await api.close();
});

describe('inviting', () => {
  it('I1: shows a 256-bit token once, stores only its SHA-256 and lasts 7 days', async () => {
    const { status, body } = await invite(owner, { email: `  ${guest.email.toUpperCase()} `, roleKey: 'admin' });
    expect(status).toBe(201);
    const { token, ...invitation } = body.invitation;
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(invitation).toEqual({
      id: invitation.id,
      organizationId: orgId,
      email: guest.email,
      roleKey: 'admin',
      status: 'pending',
      expiresAt: expect.any(String),
      createdAt: expect.any(String),
    });
    expect(Date.parse(invitation.expiresAt) - Date.parse(invitation.createdAt)).toBe(7 * 24 * 3_600_000);
    const [row] = await queryAsAdmin<{ token_hash: Buffer; text: string }>(
      api,
      'SELECT token_hash, i::text AS text FROM app.organization_invitations i WHERE id = $1',
      [invitation.id],
    );
    expect(row?.token_hash).toEqual(createHash('sha256').update(token).digest());
    expect(row?.text).not.toContain(token);
    expect(await readAudit()).toEqual(['organization.create', 'invitation.create']);

    const listed = await call(api, contracts.listInvitations, { token: owner.token, params: { orgId } });
    expect(listed.body).toEqual({ invitations: [invitation], nextCursor: null });
    expect(listed.text).not.toContain(token);
  });

  it.each(['owner', 'admin', 'member'] as RoleKey[])('as %s: admins and owners only', async (role) => {
    const person = await addMember(api, orgId, role);
    const expected = role === 'member' ? 403 : 201;
    for (const roleKey of ['admin', 'member'] as const)
      expect((await invite(person, { email: guest.email, roleKey })).status).toBe(expected);
    const listed = await call(api, contracts.listInvitations, { token: person.token, params: { orgId } });
    expect(listed.status).toBe(role === 'member' ? 403 : 200);
  });

  it('never invites an owner', async () => {
    const { status, body } = await invite(owner, { email: guest.email, roleKey: 'owner' as 'admin' });
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
  });

  it('answers 409 for the address of a member, whatever its case', async () => {
    const { status, body } = await invite(owner, { email: owner.email.toUpperCase(), roleKey: 'member' });
    expect([status, body.code]).toEqual([409, 'CONFLICT']);
  });

  it('lists neither accepted nor revoked nor expired ones, nor those of another organization', async () => {
    const others = await addOrganization(api);
    const [accepted, revoked, expired] = [await inviteGuest(), await inviteGuest(), await inviteGuest()];
    const open = await inviteGuest();
    await accept(guest, accepted.token);
    await revoke(owner, revoked.id);
    await expire(expired.id);
    const list = async (person: Person, id: string) =>
      (await call(api, contracts.listInvitations, { token: person.token, params: { orgId: id } })).body.invitations.map(
        (invitation) => invitation.id,
      );
    expect(await list(owner, orgId)).toEqual([open.id]);
    expect(await list(others.owner, others.orgId)).toEqual([]);
  });

  it('lists page by page, newest first, each once, and leaves out what was revoked between two pages', async () => {
    const made: string[] = [];
    for (let count = 0; count < 5; count += 1) made.unshift((await inviteGuest()).id);
    const page = async (cursor?: string | null) => {
      const query = { limit: '2', ...(cursor && { cursor }) };
      const { body } = await call(api, contracts.listInvitations, { token: owner.token, params: { orgId }, query });
      return { ids: body.invitations.map(({ id }) => id), nextCursor: body.nextCursor };
    };
    const first = await page();
    const second = await page(first.nextCursor);
    expect([first.ids, second.ids]).toEqual([made.slice(0, 2), made.slice(2, 4)]);
    expect(await page(second.nextCursor)).toEqual({ ids: made.slice(4), nextCursor: null });
    await revoke(owner, made[2] ?? '');
    expect((await page(first.nextCursor)).ids).toEqual(made.slice(3));
  });
});

describe('revoking', () => {
  it('I1: ends an invitation at once (400 for whoever accepts it), may be repeated, and is audited once', async () => {
    const { id, token } = await inviteGuest();
    expect((await revoke(owner, id)).status).toBe(200);
    expect((await revoke(owner, id)).status).toBe(200);
    await expectRefusal(guest, token, 400, 'INVITATION_USED', 'INVITATION_REVOKED');
    expect((await readAudit()).filter((action) => action === 'invitation.revoke')).toHaveLength(1);
  });

  it('answers 404 for an unknown one and one of another organization, and 409 once accepted', async () => {
    const others = await addOrganization(api);
    const { id, token } = await inviteGuest();
    const foreign = await call(api, contracts.revokeInvitation, {
      token: others.owner.token,
      params: { orgId: others.orgId, invitationId: id },
    });
    expect(foreign.body.code).toBe('NOT_FOUND');
    expect((await revoke(owner, newId())).body.code).toBe('NOT_FOUND');
    expect((await accept(guest, token)).status).toBe(200);
    expect((await revoke(owner, id)).body.code).toBe('CONFLICT');
  });
});

describe('accepting', () => {
  it('makes a member with the invited role, in one audited step', async () => {
    const { id, token } = await inviteGuest('admin');
    const { status, body } = await accept(guest, token);
    expect(status).toBe(200);
    expect(body.result).toEqual({
      invitationId: id,
      organizationId: orgId,
      membershipId: expect.any(String),
      accepted: true,
    });
    expect(await readMemberships()).toEqual([{ id: body.result.membershipId, role: 'admin' }]);
    expect(await readAudit()).toEqual(['organization.create', 'invitation.create', 'invitation.accept']);
  });

  it('I1: makes one membership of 20 parallel accepts', async () => {
    const { token } = await inviteGuest();
    const answers = await Promise.all(Array.from({ length: 20 }, () => accept(guest, token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const codes = new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.code));
    expect([...codes]).toEqual(['INVITATION_USED']);
    expect(await readMemberships()).toHaveLength(1);
  });

  it('makes one membership of several invitations accepted in parallel', async () => {
    const tokens = await Promise.all(Array.from({ length: 5 }, async () => (await inviteGuest()).token));
    const answers = await Promise.all(tokens.map((token) => accept(guest, token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    expect(await readMemberships()).toHaveLength(1);
  });

  it('I1: refuses an unknown token with 404', async () => {
    await expectRefusal(guest, 'x'.repeat(43), 404, 'NOT_FOUND', 'NOT_FOUND');
    await expectRefusal(guest, 'short', 404, 'NOT_FOUND', 'NOT_FOUND');
  });

  it('answers 404 when the organization is deleted at the same moment', async () => {
    const { token } = await inviteGuest();
    const answer = await deleteWhileWaiting(api, orgId, () => accept(guest, token));
    expect([answer.status, answer.body.code]).toEqual([404, 'NOT_FOUND']);
  });

  it('I1: refuses another address with 403, also when the invitation has ended', async () => {
    const { id, token } = await inviteGuest();
    const stranger = await addPerson(api);
    await expectRefusal(stranger, token, 403, 'FORBIDDEN', 'EMAIL_MISMATCH');
    await expire(id);
    await expectRefusal(stranger, token, 403, 'FORBIDDEN', 'EMAIL_MISMATCH');
  });

  it('I1: accepts an address that differs in case only, verified or not', async () => {
    const shouting = await addPerson(api, `MiXed-${newId()}@Example.com`);
    const { body } = await invite(owner, { email: shouting.email.toLowerCase(), roleKey: 'member' });
    expect((await accept(shouting, body.invitation.token)).status).toBe(200);
  });

  it('I1: refuses an expired one with 400', async () => {
    const { id, token } = await inviteGuest();
    await expire(id);
    await expectRefusal(guest, token, 400, 'INVITATION_EXPIRED', 'INVITATION_EXPIRED');
  });

  it('I1: refuses a used one with 400, also after its member was removed', async () => {
    const { token } = await inviteGuest();
    expect((await accept(guest, token)).status).toBe(200);
    await expectRefusal(guest, token, 400, 'INVITATION_USED', 'INVITATION_USED');
    await call(api, removeMember, { token: owner.token, params: { orgId, memberId: guest.id } });
    await expectRefusal(guest, token, 400, 'INVITATION_USED', 'INVITATION_USED', 0);
  });

  it('refuses a member with 409 and leaves the invitation as it is', async () => {
    const { id, token } = await inviteGuest();
    await addMember(api, orgId, 'member', guest);
    await expectRefusal(guest, token, 409, 'CONFLICT', 'ALREADY_MEMBER', 1);
    const [row] = await queryAsAdmin(api, 'SELECT accepted_at FROM app.organization_invitations WHERE id = $1', [id]);
    expect(row).toEqual({ accepted_at: null });
  });

  it.each(['member', null])('I2: refuses when the inviter has become %s', async (roleKey) => {
    const admin = await addMember(api, orgId, 'admin');
    const { body } = await invite(admin, { email: guest.email, roleKey: 'member' });
    const params = { orgId, memberId: admin.id };
    if (roleKey) await call(api, changeMemberRole, { token: owner.token, params, body: { roleKey } });
    else await call(api, removeMember, { token: owner.token, params });
    await expectRefusal(guest, body.invitation.token, 403, 'FORBIDDEN', 'INVITER_NOT_ALLOWED');
  });

  it('needs somebody signed in', async () => {
    const { token } = await inviteGuest();
    const { status } = await call(api, contracts.acceptInvitation, { params: { token } });
    expect(status).toBe(401);
  });
});

it('never writes a whole token into the log', async () => {
  const { token } = await inviteGuest();
  await accept(await addPerson(api), token);
  await accept(guest, token);
  await accept(guest, token);
  expect(JSON.stringify(api.logLines)).not.toContain(token);
});

async function expectRefusal(
  person: Person,
  token: string,
  status: number,
  code: string,
  reasonCode: string,
  memberships?: number,
): Promise<void> {
  const before = memberships ?? (await readMemberships()).length;
  const answer = await accept(person, token);
  expect([answer.status, answer.body.code]).toEqual([status, code]);
  const events = api.logLines.filter(({ requestId }) => requestId === answer.body.requestId);
  expect(events).toEqual([
    expect.objectContaining({
      event: 'invitation_accept_failed',
      tokenPrefix: token.slice(0, 8),
      reasonCode,
      userId: person.id,
      path: '/v1/invitations/:token/accept',
    }),
  ]);
  expect(await readMemberships()).toHaveLength(before);
}

function invite(person: Person, body: { email: string; roleKey: 'admin' | 'member' }) {
  return call(api, contracts.createInvitation, { token: person.token, params: { orgId }, body });
}

async function inviteGuest(roleKey: 'admin' | 'member' = 'member'): Promise<{ id: string; token: string }> {
  const { status, body, text } = await invite(owner, { email: guest.email, roleKey });
  if (status !== 201) throw new Error(text);
  return body.invitation;
}

function accept(person: Person, token: string) {
  return call(api, contracts.acceptInvitation, { token: person.token, params: { token } });
}

function revoke(person: Person, invitationId: string) {
  return call(api, contracts.revokeInvitation, { token: person.token, params: { orgId, invitationId } });
}

async function expire(invitationId: string): Promise<void> {
  await queryAsAdmin(api, `UPDATE app.organization_invitations SET expires_at = now() WHERE id = $1`, [invitationId]);
}

async function readMemberships(): Promise<{ id: string; role: RoleKey }[]> {
  return queryAsAdmin(api, `SELECT id, role_key AS role FROM app.memberships WHERE org_id = $1 AND user_id = $2`, [
    orgId,
    guest.id,
  ]);
}

async function readAudit(): Promise<string[]> {
  const rows = await queryAsAdmin<{ action: string }>(
    api,
    'SELECT action FROM app.audit_log WHERE org_id = $1 ORDER BY seq',
    [orgId],
  );
  return rows.map(({ action }) => action);
}
