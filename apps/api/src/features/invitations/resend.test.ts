import { createHash } from 'node:crypto';
import { eventually } from '@millrace/queue/testing';
import * as contracts from '@millrace/shared/contracts/invitations';
import { changeMemberRole } from '@millrace/shared/contracts/organizations';
import { newId } from '@millrace/shared/ids';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { call, openTestApi, type TestApi } from '../../testing.ts';
import { addMember, addOrganization, addPerson, type Person, queryAsAdmin } from '../organizations/testing.ts';

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
afterAll(() => api.close());

const sql = (text: string, values: unknown[] = []) => queryAsAdmin<Record<string, unknown>>(api, text, values);
const accept = (person: Person, token: string) =>
  call(api, contracts.acceptInvitation, { token: person.token, params: { token } });
const resend = (invitationId: string, person = owner, id = orgId) =>
  call(api, contracts.resendInvitation, { token: person.token, params: { orgId: id, invitationId } });
const forgetResend = (id: string) =>
  sql(`UPDATE app.organization_invitations SET resent_at = resent_at - interval '61 seconds' WHERE id = $1`, [id]);

async function invite(person = owner, roleKey: 'admin' | 'member' = 'member') {
  const body = { email: guest.email, roleKey };
  const answer = await call(api, contracts.createInvitation, { token: person.token, params: { orgId }, body });
  expect(answer.status).toBe(201);
  return answer.body.invitation;
}

/** Texts of the mails to the guest, oldest first. */
async function mailsToGuest(): Promise<string[]> {
  await eventually('every mail has left', async () => (await sql('SELECT FROM app.org_mails')).length === 0);
  return (await api.readMails()).filter(({ to }) => to === guest.email).map(({ text }) => text);
}

it('an invitation is mailed to its address, with who invites to what and the link that accepts it', async () => {
  await sql(`UPDATE app.users SET display_name = 'Ada' || chr(10) || 'Bcc: eve@example.com' WHERE id = $1`, [owner.id]);
  const { token } = await invite(owner, 'admin');
  const [text, ...others] = await mailsToGuest();
  expect(others).toEqual([]);
  expect(text).toContain('Ada Bcc: eve@example.com invites you to join the organization “Org” as admin.');
  expect(text).toContain(`\nhttp://localhost:3000/accept-invitation#token=${token}\n`);
  expect((await accept(guest, token)).status).toBe(200);
});

it('an invitation that was refused is not mailed', async () => {
  const body = { email: owner.email, roleKey: 'member' as const };
  expect((await call(api, contracts.createInvitation, { token: owner.token, params: { orgId }, body })).status).toBe(
    409,
  );
  await mailsToGuest();
  expect((await api.readMails()).filter(({ to }) => to === owner.email)).toEqual([]);
});

it('I1: sending again makes a new token and 7 more days, mails it, and the token before it is dead', async () => {
  const { token: older, ...invitation } = await invite();
  await sql(`UPDATE app.organization_invitations SET expires_at = now() WHERE id = $1`, [invitation.id]);
  const { status, body } = await resend(invitation.id);
  expect(status).toBe(200);
  const { token: newer, ...again } = body.invitation;
  expect(again).toEqual({ ...invitation, expiresAt: expect.any(String) });
  expect(Date.parse(again.expiresAt) - Date.now()).toBeGreaterThan(6.99 * 24 * 3_600_000);
  expect(Buffer.from(newer, 'base64url')).toHaveLength(32);
  expect((await mailsToGuest()).at(-1)).toContain(`#token=${newer}\n`);
  expect((await accept(guest, older)).status).toBe(404);
  expect((await accept(guest, newer)).status).toBe(200);
  const [row] = await sql('SELECT token_hash, generation FROM app.organization_invitations WHERE id = $1', [
    invitation.id,
  ]);
  expect(row).toEqual({ token_hash: createHash('sha256').update(newer).digest(), generation: 1 });
  const audit = await sql('SELECT action, subject_id, data FROM app.audit_log WHERE org_id = $1 ORDER BY seq', [orgId]);
  expect(audit.map(({ action }) => action)).toEqual([
    'organization.create',
    'invitation.create',
    'invitation.resend',
    'invitation.accept',
  ]);
  expect(audit[2]).toMatchObject({ subject_id: invitation.id, data: { email: guest.email, roleKey: 'member' } });
});

it('is sent again at most once a minute, exactly, and says when', async () => {
  const { id } = await invite();
  const answers = await Promise.all(Array.from({ length: 10 }, () => resend(id)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const { status, body, headers } of answers.filter((answer) => answer.status !== 200)) {
    expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
  }
  await forgetResend(id);
  expect((await resend(id)).status).toBe(200);
});

it('answers 404 for an unknown one and one of another organization, 409 once accepted, revoked or a member', async () => {
  const others = await addOrganization(api);
  const [revoked, open] = [await invite(), await invite()];
  expect((await resend(newId())).status).toBe(404);
  expect((await resend(open.id, others.owner, others.orgId)).status).toBe(404);
  const params = { orgId, invitationId: revoked.id };
  await call(api, contracts.revokeInvitation, { token: owner.token, params });
  expect((await resend(revoked.id)).body.code).toBe('CONFLICT');
  const accepted = await invite();
  await accept(guest, accepted.token);
  expect((await resend(accepted.id)).body.code).toBe('CONFLICT');
  expect((await resend(open.id)).body.message).toBe('This address already belongs to a member.');
});

it('I2: is for admins and owners, and whoever sends it again answers for it', async () => {
  const [admin, member] = [await addMember(api, orgId, 'admin'), await addMember(api, orgId, 'member')];
  const { id } = await invite(admin);
  expect((await resend(id, member)).status).toBe(403);
  const demote = { token: owner.token, params: { orgId, memberId: admin.id }, body: { roleKey: 'member' as const } };
  expect((await call(api, changeMemberRole, demote)).status).toBe(200);
  const { body } = await resend(id, owner);
  // The first inviter may no longer invite; the owner who sent it again may.
  expect((await accept(guest, body.invitation.token)).status).toBe(200);
});
