import { memberships } from '@millrace/db/schema/memberships';
import { organizations } from '@millrace/db/schema/organizations';
import type { OrgTx } from '@millrace/db/tenant';
import type { Membership, Organization } from '@millrace/shared/contracts/organizations';
import { AppError } from '@millrace/shared/errors';
import { and, eq } from 'drizzle-orm';

type OrganizationRow = typeof organizations.$inferSelect;
type MembershipRow = typeof memberships.$inferSelect;

/**
 * Locks the organization's row until the transaction ends, before any other lock: whatever depends on who holds which
 * role takes turns behind it. Throws 403 when the organization went away after the caller was let in.
 */
export async function lockOrganization(tx: OrgTx): Promise<OrganizationRow> {
  const row = await findAndLockOrganization(tx);
  if (!row) throw new AppError('ORG_ACCESS_DENIED');
  return row;
}

/** The same for callers who are no members yet: to them an organization that went away is just not there. */
export async function findAndLockOrganization(tx: OrgTx): Promise<OrganizationRow | undefined> {
  const [row] = await tx.select().from(organizations).where(eq(organizations.id, tx.orgId)).for('no key update');
  return row;
}

/** The membership of a user in the organization of the transaction, if any. */
export async function findMembership(tx: OrgTx, userId: string): Promise<MembershipRow | undefined> {
  const [row] = await tx.select().from(memberships).where(isMember(tx, userId));
  return row;
}

export function isMember(tx: OrgTx, userId: string) {
  return and(eq(memberships.orgId, tx.orgId), eq(memberships.userId, userId));
}

export function toOrganization(row: OrganizationRow): Organization {
  return { id: row.id, slug: row.slug, name: row.name, createdAt: row.createdAt.toISOString() };
}

export function toMembership(row: MembershipRow): Membership {
  return {
    id: row.id,
    organizationId: row.orgId,
    userId: row.userId,
    roleKey: row.roleKey,
    createdAt: row.createdAt.toISOString(),
  };
}
