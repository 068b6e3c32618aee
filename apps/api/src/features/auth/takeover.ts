import { listOrganizationsOfUser } from '@millrace/db/lookups';
import { accountMails, accountTokens } from '@millrace/db/schema/account-mail';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { oauthFlows, userIdentities } from '@millrace/db/schema/identities';
import { organizationInvitations } from '@millrace/db/schema/invitations';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, type PlainTx, withOrg } from '@millrace/db/tenant';
import { and, eq, isNull, sql } from 'drizzle-orm';
import type { PublicContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { isPending } from '../invitations/rows.ts';
import { findAndLockOrganization } from '../organizations/rows.ts';
import { revokeAllSessions } from './sessions.ts';

/**
 * An account whose address was never verified may have been made by somebody else, to be there first. When the owner of
 * the address arrives, by a provider or by a mailed link, every way in that existed before ends:
 * docs/adr/0007-sign-in-with-providers.md says what stays.
 */

/** Ends the ways into the account itself: password, sessions, identities, links to providers under way. */
export async function closeWaysIn(tx: PlainTx, userId: string): Promise<void> {
  await revokeAllSessions(tx, userId);
  await tx.update(users).set({ passwordHash: null, updatedAt: sql`now()` }).where(eq(users.id, userId));
  await tx.delete(userIdentities).where(eq(userIdentities.userId, userId));
  await tx.delete(oauthFlows).where(eq(oauthFlows.userId, userId));
}

/** Ends the links in mails to the account, sent or not: its new owner begins afresh. */
export async function endMailedLinks(tx: PlainTx, userId: string): Promise<void> {
  await tx.delete(accountTokens).where(eq(accountTokens.userId, userId));
  await tx.delete(accountMails).where(eq(accountMails.userId, userId));
}

/**
 * Ends what the account handed out in its organizations: the API keys it made and the invitations it sent. Runs between
 * two calls of `closeWaysIn`: nobody can make new ones after the first, and the second catches who was on their way in.
 */
export async function closeWaysIntoOrganizations(context: PublicContext, userId: string): Promise<void> {
  for (const { id } of await listOrganizationsOfUser(context.deps.db, userId))
    await withOrg(context.deps.db, id, async (tx) => {
      if (!(await findAndLockOrganization(tx))) return; // and so waits for what is being handed out at this moment
      const revoked = await revokeHandedOut(tx, userId);
      const actor = { ...context, userId, sessionId: null, apiKey: null };
      await auditChange(actor, tx, 'member.take-over', userId, revoked);
    });
}

async function revokeHandedOut(tx: OrgTx, userId: string) {
  const keys = await tx
    .update(apiKeys)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(apiKeys.orgId, tx.orgId), eq(apiKeys.createdByUserId, userId), isNull(apiKeys.revokedAt)))
    .returning({ id: apiKeys.id });
  const invitations = await tx
    .update(organizationInvitations)
    .set({ revokedAt: sql`now()` })
    .where(
      and(
        eq(organizationInvitations.orgId, tx.orgId),
        eq(organizationInvitations.invitedByUserId, userId),
        isPending(),
      ),
    )
    .returning({ id: organizationInvitations.id });
  return { apiKeys: keys.length, invitations: invitations.length };
}
