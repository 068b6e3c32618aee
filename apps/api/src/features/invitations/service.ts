import { organizationInvitations } from '@millrace/db/schema/invitations';
import { memberships } from '@millrace/db/schema/memberships';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { hasPermission, isAtLeast } from '@millrace/shared/permissions';
import { and, desc, eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { readPage, splitPage } from '../../http/page.ts';
import { auditChange } from '../audit/service.ts';
import { assertStillSignedIn } from '../auth/still-signed-in.ts';
import { hashMailToken, makeMailToken } from '../mails/mail-token.ts';
import { queueOrgMail } from '../mails/outbox.ts';
import { assertMayGive } from '../organizations/members.ts';
import { findMembership, lockOrganization } from '../organizations/rows.ts';
import { isInvitation, isPending, statusOf } from './rows.ts';

type InvitedRole = 'admin' | 'member';
type Row = typeof organizationInvitations.$inferSelect;

const LIFE = sql`interval '7 days'`;
const RESEND_PAUSE_SEC = 60;
/** Anybody may make an organization: without a bound its invitations would be a way to send mail to anybody. */
const MAX_PER_HOUR = 500;

/**
 * Invites an address for 7 days and mails the link. Beside the mail the answer alone holds the token: only its SHA-256 is
 * stored. An address may hold several open invitations. Throws 409 when it belongs to a member, 429 for the 501st within an
 * hour.
 */
export async function createInvitation(context: OrgContext, body: { email: string; roleKey: InvitedRole }) {
  const id = newId();
  const token = tokenOf(context, id, 0);
  const invitation = await withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    await assertStillSignedIn(context, tx);
    await assertMayInvite(context, tx, body.roleKey);
    await assertInvitesLeft(tx);
    await assertNoMember(tx, body.email);
    const [row] = await tx
      .insert(organizationInvitations)
      .values({
        orgId: tx.orgId,
        id,
        email: body.email,
        roleKey: body.roleKey,
        tokenHash: hashMailToken(token),
        invitedByUserId: context.userId,
        expiresAt: sql`now() + ${LIFE}`,
      })
      .returning();
    if (!row) throw new Error('an insert returned no row');
    await queueInvitationMail(tx, row);
    await auditChange(context, tx, 'invitation.create', row.id, { email: row.email, roleKey: row.roleKey });
    return { ...toInvitation(row), token };
  });
  context.deps.mailSender.poke();
  return { invitation };
}

/**
 * Mails an open or expired invitation again, in the caller's name, with a new token in place of the one before, for 7 more
 * days. Throws 404 for an unknown one, 409 for one that was accepted or revoked and for the address of a member, 429 within
 * a minute of the time before.
 */
export async function resendInvitation(context: OrgContext, invitationId: string) {
  const invitation = await withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    await assertStillSignedIn(context, tx);
    const before = await findResendable(tx, invitationId);
    await assertMayInvite(context, tx, before.roleKey as InvitedRole);
    await assertNoMember(tx, before.email);
    const generation = before.generation + 1;
    const token = tokenOf(context, invitationId, generation);
    const [row] = await tx
      .update(organizationInvitations)
      .set({
        generation,
        invitedByUserId: context.userId,
        tokenHash: hashMailToken(token),
        resentAt: sql`now()`,
        expiresAt: sql`now() + ${LIFE}`,
      })
      .where(isInvitation(tx, invitationId))
      .returning();
    if (!row) throw new AppError('NOT_FOUND');
    await queueInvitationMail(tx, row);
    await auditChange(context, tx, 'invitation.resend', row.id, { email: row.email, roleKey: row.roleKey });
    return { ...toInvitation(row), token };
  });
  context.deps.mailSender.poke();
  return { invitation };
}

/** The invitations that can still be accepted, newest first, one keyset page. */
export async function listInvitations(
  context: OrgContext,
  query: { limit?: number | undefined; cursor?: string | undefined },
) {
  const { limit, after } = readPage(query);
  const { createdAt, id } = organizationInvitations;
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select()
      .from(organizationInvitations)
      .where(
        and(
          eq(organizationInvitations.orgId, tx.orgId),
          isPending(),
          after && sql`(${createdAt}, ${id}) < (${after.createdAt.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1),
  );
  const { page, nextCursor } = splitPage(rows, limit);
  return { invitations: page.map(toInvitation), nextCursor };
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

async function assertInvitesLeft(tx: OrgTx): Promise<void> {
  const { orgId, createdAt } = organizationInvitations;
  const recent = await tx
    .select({ id: organizationInvitations.id })
    .from(organizationInvitations)
    .where(and(eq(orgId, tx.orgId), sql`${createdAt} > now() - interval '1 hour'`))
    .limit(MAX_PER_HOUR);
  if (recent.length === MAX_PER_HOUR)
    throw new AppError('RATE_LIMITED', `An organization sends at most ${MAX_PER_HOUR} invitations an hour.`, {
      retryAfterSec: 600,
    });
}

async function findResendable(tx: OrgTx, invitationId: string): Promise<Row> {
  const pauseLeft = sql`${RESEND_PAUSE_SEC} - extract(epoch FROM clock_timestamp() - ${organizationInvitations.resentAt})`;
  const [found] = await tx
    .select({ row: organizationInvitations, waitSec: sql`ceil(coalesce(${pauseLeft}, 0))`.mapWith(Number) })
    .from(organizationInvitations)
    .where(isInvitation(tx, invitationId));
  if (!found) throw new AppError('NOT_FOUND');
  const { row, waitSec } = found;
  if (row.acceptedAt) throw new AppError('CONFLICT', 'This invitation was accepted.');
  if (row.revokedAt) throw new AppError('CONFLICT', 'This invitation was revoked; make a new one.');
  if (waitSec > 0)
    throw new AppError('RATE_LIMITED', 'This invitation was just sent again; wait as long as Retry-After says.', {
      retryAfterSec: waitSec,
    });
  return row;
}

function tokenOf({ deps }: OrgContext, id: string, generation: number): string {
  return makeMailToken(deps.config.AUTH_TOKEN_SECRET, { purpose: 'invitation', id, generation });
}

async function queueInvitationMail(tx: OrgTx, { id, email, generation }: Row): Promise<void> {
  await queueOrgMail(tx, { template: 'invitation', recipient: email, data: { invitationId: id, generation } });
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
