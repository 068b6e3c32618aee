import { organizationInvitations } from '@millrace/db/schema/invitations';
import type { OrgTx } from '@millrace/db/tenant';
import { and, eq, isNull, sql } from 'drizzle-orm';

type Row = typeof organizationInvitations.$inferSelect;

export function isInvitation(tx: OrgTx, invitationId: string) {
  return and(eq(organizationInvitations.orgId, tx.orgId), eq(organizationInvitations.id, invitationId));
}

/** Neither accepted nor revoked nor expired, by the database's clock. */
export function isPending() {
  const { acceptedAt, revokedAt, expiresAt } = organizationInvitations;
  return and(isNull(acceptedAt), isNull(revokedAt), sql`${expiresAt} > now()`);
}

export function statusOf(row: Row, now: Date): 'pending' | 'accepted' | 'revoked' | 'expired' {
  if (row.acceptedAt) return 'accepted';
  if (row.revokedAt) return 'revoked';
  return row.expiresAt <= now ? 'expired' : 'pending';
}
