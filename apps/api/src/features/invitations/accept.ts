import { findInvitationByTokenHash } from '@millrace/db/lookups';
import { organizationInvitations } from '@millrace/db/schema/invitations';
import { memberships } from '@millrace/db/schema/memberships';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError, type ErrorCode } from '@millrace/shared/errors';
import { invitationAcceptFailed } from '@millrace/shared/events';
import { newId } from '@millrace/shared/ids';
import { hasPermission, isAtLeast } from '@millrace/shared/permissions';
import { and, eq, sql } from 'drizzle-orm';
import type { SessionContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { hashMailToken } from '../mails/mail-token.ts';
import { findAndLockOrganization, findMembership } from '../organizations/rows.ts';
import { isInvitation, isPending, statusOf } from './rows.ts';

type Invitation = typeof organizationInvitations.$inferSelect;
type Refusal = keyof typeof REFUSALS;
type Outcome = { refusal: Refusal } | { membershipId: string };

/** Characters of a token that may stand in a log: enough to tell two apart, far too few to guess the rest. */
const TOKEN_PREFIX_LENGTH = 8;

/** Why an invitation is not accepted, as logged, and what the caller is told. */
const REFUSALS = {
  NOT_FOUND: ['NOT_FOUND'],
  EMAIL_MISMATCH: ['FORBIDDEN', 'This invitation is for another e-mail address; sign in with that one.'],
  INVITATION_USED: ['INVITATION_USED'],
  INVITATION_REVOKED: ['INVITATION_USED'],
  INVITATION_EXPIRED: ['INVITATION_EXPIRED'],
  INVITER_NOT_ALLOWED: ['FORBIDDEN', 'Whoever invited you may no longer do so; ask for a new invitation.'],
  ALREADY_MEMBER: ['CONFLICT', 'You are already a member of this organization.'],
} as const satisfies Record<string, readonly [ErrorCode, string?]>;

/**
 * Makes the caller a member with the invited role, once per token however often it is sent at the same moment. Throws
 * 404 for an unknown token, 403 for another address or when the inviter may no longer invite to that role, 400 when it
 * expired, was used or revoked, 409 for a member. Every refusal is logged with the token's first characters only.
 */
export async function acceptInvitation(context: SessionContext, token: string) {
  const found = await findInvitationByTokenHash(context.deps.db, hashMailToken(token));
  if (!found) throw refuse(context, token, 'NOT_FOUND');
  const outcome = await withOrg(context.deps.db, found.orgId, (tx) => joinOrganization(context, tx, found.id));
  if ('refusal' in outcome) throw refuse(context, token, outcome.refusal);
  const { membershipId } = outcome;
  const result = { invitationId: found.id, organizationId: found.orgId, membershipId, accepted: true as const };
  return { result };
}

/** Every refusal is found before the first write, so the transaction that answers one has changed nothing. */
async function joinOrganization(context: SessionContext, tx: OrgTx, invitationId: string): Promise<Outcome> {
  const invitation = await lockInvitation(tx, invitationId);
  if (!invitation) return { refusal: 'NOT_FOUND' };
  const refusal = await findRefusal(context, tx, invitation);
  if (refusal) return { refusal };
  const accepted = await tx
    .update(organizationInvitations)
    .set({ acceptedAt: sql`now()`, acceptedByUserId: context.userId })
    .where(and(isInvitation(tx, invitationId), isPending()))
    .returning({ roleKey: organizationInvitations.roleKey });
  const roleKey = accepted[0]?.roleKey;
  if (!roleKey) return { refusal: 'INVITATION_USED' };
  const membershipId = newId();
  await tx.insert(memberships).values({ orgId: tx.orgId, id: membershipId, userId: context.userId, roleKey });
  const { invitedByUserId } = invitation;
  await auditChange(context, tx, 'invitation.accept', invitationId, { membershipId, roleKey, invitedByUserId });
  return { membershipId };
}

/** The organization's row is locked first, as by every change of roles, so the inviter's role holds until the end. */
async function lockInvitation(tx: OrgTx, invitationId: string): Promise<Invitation | undefined> {
  if (!(await findAndLockOrganization(tx))) return undefined;
  const [invitation] = await tx.select().from(organizationInvitations).where(isInvitation(tx, invitationId));
  return invitation;
}

/** The address comes first: to anybody else the state of an invitation is none of their business. */
async function findRefusal(context: SessionContext, tx: OrgTx, invitation: Invitation): Promise<Refusal | undefined> {
  const [user] = await tx.select({ email: users.email }).from(users).where(eq(users.id, context.userId));
  if (user?.email.toLowerCase() !== invitation.email.toLowerCase()) return 'EMAIL_MISMATCH';
  const status = statusOf(invitation, new Date());
  if (status === 'accepted') return 'INVITATION_USED';
  if (status === 'revoked') return 'INVITATION_REVOKED';
  if (status === 'expired') return 'INVITATION_EXPIRED';
  if (await findMembership(tx, context.userId)) return 'ALREADY_MEMBER';
  const inviter = await findMembership(tx, invitation.invitedByUserId);
  const [person] = await tx
    .select({ disabledAt: users.disabledAt })
    .from(users)
    .where(eq(users.id, invitation.invitedByUserId));
  const isAllowed =
    inviter &&
    !person?.disabledAt &&
    hasPermission(inviter.roleKey, 'invitation:write') &&
    isAtLeast(inviter.roleKey, invitation.roleKey);
  return isAllowed ? undefined : 'INVITER_NOT_ALLOWED';
}

function refuse(context: SessionContext, token: string, reasonCode: Refusal): AppError {
  const { requestId, userId, path, log } = context;
  const tokenPrefix = token.slice(0, TOKEN_PREFIX_LENGTH);
  invitationAcceptFailed(log, { requestId, tokenPrefix, reasonCode, userId, path });
  const [code, message] = REFUSALS[reasonCode];
  return new AppError(code, message);
}
