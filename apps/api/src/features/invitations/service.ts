import { randomBytes } from 'node:crypto';
import { organizationInvitations } from '@millrace/db/schema/invitations';
import { memberships } from '@millrace/db/schema/memberships';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { hasPermission, isAtLeast } from '@millrace/shared/permissions';
import { and, desc, eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { assertMayGive } from '../organizations/members.ts';
import { findMembership, lockOrganization } from '../organizations/rows.ts';
import { hashInvitationToken, isInvitation, isPending, statusOf } from './rows.ts';

type InvitedRole = 'admin' | 'member';
type Row = typeof organizationInvitations.$inferSelect;

const TOKEN_BYTES = 32;

/**
 * Invites an address for 7 days. The answer alone holds the token: only its SHA-256 is stored. An address may hold
 * several open invitations. Throws 409 when it belongs to a member.
 */
export async function createInvitation(context: OrgContext, body: { email: string; roleKey: InvitedRole }) {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    await assertMayInvite(context, tx, body.roleKey);
    await assertNoMember(tx, body.email);
    const [row] = await tx
      .insert(organizationInvitations)
      .values({
        orgId: tx.orgId,
        id: newId(),
        email: body.email,
        roleKey: body.roleKey,
        tokenHash: hashInvitationToken(token),
        invitedByUserId: context.userId,
        expiresAt: sql`now() + interval '7 days'`,
      })
      .returning();
    if (!row) throw new Error('an insert returned no row');
    await auditChange(context, tx, 'invitation.create', row.id, { email: row.email, roleKey: row.roleKey });
    return { invitation: { ...toInvitation(row), token } };
  });
}

/** The invitations that can still be accepted, newest first. */
export async function listInvitations(context: OrgContext) {
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select()
      .from(organizationInvitations)
      .where(and(eq(organizationInvitations.orgId, tx.orgId), isPending()))
      .orderBy(desc(organizationInvitations.createdAt), desc(organizationInvitations.id)),
  );
  return { invitations: rows.map(toInvitation) };
}

/** Ends an open or expired invitation; revoking twice is fine. Throws 404 for an unknown one, 409 for an accepted one. */
export async function revokeInvitation(context: OrgContext, invitationId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    const [row] = await tx.select().from(organizationInvitations).where(isInvitation(tx, invitationId));
    if (!row) throw new AppError('NOT_FOUND');
    if (row.acceptedAt) throw new AppError('CONFLICT', 'This invitation was accepted; remove the member instead.');
    if (row.revokedAt) return { ok: true as const };
    await tx.update(organizationInvitations).set({ revokedAt: sql`now()` }).where(isInvitation(tx, invitationId));
    await auditChange(context, tx, 'invitation.revoke', invitationId, { email: row.email });
    return { ok: true as const };
  });
}

/** Read again under the lock: the caller may have been demoted after the request was let in. */
async function assertMayInvite(context: OrgContext, tx: OrgTx, roleKey: InvitedRole): Promise<void> {
  const inviter = await findMembership(tx, context.userId);
  if (!inviter) throw new AppError('ORG_ACCESS_DENIED');
  const isAllowed = hasPermission(inviter.roleKey, 'invitation:write') && isAtLeast(inviter.roleKey, roleKey);
  if (!isAllowed) throw new AppError('FORBIDDEN');
  assertMayGive(context, roleKey);
}

async function assertNoMember(tx: OrgTx, email: string): Promise<void> {
  const found = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(and(eq(memberships.orgId, tx.orgId), eq(sql`lower(${users.email})`, email)))
    .limit(1);
  if (found.length > 0) throw new AppError('CONFLICT', 'This address already belongs to a member.');
}

function toInvitation(row: Row) {
  return {
    id: row.id,
    organizationId: row.orgId,
    email: row.email,
    roleKey: row.roleKey as InvitedRole, // no invitation makes an owner
    status: statusOf(row, new Date()),
    expiresAt: row.expiresAt.toISOString(),
    createdAt: row.createdAt.toISOString(),
  };
}
