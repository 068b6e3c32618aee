import { violatedUniqueKey } from '@millrace/db/failures';
import { isSlugTaken } from '@millrace/db/lookups';
import { memberships } from '@millrace/db/schema/memberships';
import { organizations } from '@millrace/db/schema/organizations';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import type { OrgContext, SessionContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization, toMembership, toOrganization } from './rows.ts';

/** Creates the organization with the caller as its owner. Throws 409, without saying whose it is, for a taken slug. */
export async function createOrganization(context: SessionContext, body: { name: string; slug: string }) {
  const orgId = newId(); // known before the row is: it is the context in which the row may be written
  try {
    return await withOrg(context.deps.db, orgId, (tx) => insertOrganization(context, tx, body));
  } catch (error) {
    if (violatedUniqueKey(error) !== 'organizations_slug_key') throw error;
    throw new AppError('CONFLICT', 'This slug is taken; choose another one.', { cause: error });
  }
}

/** Tells as much as a try to create it would, and keeps nothing reserved. */
export async function getSlugAvailability({ deps }: SessionContext, slug: string) {
  return { slug, available: !(await isSlugTaken(deps.db, slug)) };
}

export async function getOrganization(context: OrgContext) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const [row] = await tx.select().from(organizations).where(eq(organizations.id, tx.orgId));
    if (!row) throw new AppError('ORG_ACCESS_DENIED'); // deleted after the caller was let in
    return { organization: toOrganization(row) };
  });
}

/** Renames the organization; without a name, or with the one it has, nothing changes. */
export async function updateOrganization(context: OrgContext, name: string | undefined) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const current = await lockOrganization(tx);
    if (name === undefined || name === current.name) return { organization: toOrganization(current) };
    await tx.update(organizations).set({ name, updatedAt: sql`now()` }).where(eq(organizations.id, tx.orgId));
    await auditChange(context, tx, 'organization.update', tx.orgId, { name, previousName: current.name });
    return { organization: toOrganization({ ...current, name }) };
  });
}

async function insertOrganization(context: SessionContext, tx: OrgTx, body: { name: string; slug: string }) {
  const [organization] = await tx
    .insert(organizations)
    .values({ id: tx.orgId, slug: body.slug, name: body.name })
    .returning();
  const [membership] = await tx
    .insert(memberships)
    .values({ orgId: tx.orgId, id: newId(), userId: context.userId, roleKey: 'owner' })
    .returning();
  if (!organization || !membership) throw new Error('an insert returned no row');
  await auditChange(context, tx, 'organization.create', tx.orgId, { name: body.name, slug: body.slug });
  return { organization: toOrganization(organization), membership: toMembership(membership) };
}
