import { memberships } from '@millrace/db/schema/memberships';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { isAtLeast, isKeyGrantable, type RoleKey } from '@millrace/shared/permissions';
import { and, asc, eq, isNull, ne } from 'drizzle-orm';
import type { OrgContext, UserContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { findMembership, isMember, lockOrganization, toMembership } from './rows.ts';

/** Everybody in the organization, in the order they joined. */
export async function listMembers(context: OrgContext) {
  const { userId, roleKey, createdAt } = memberships;
  const rows = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx
      .select({ userId, email: users.email, displayName: users.displayName, roleKey, createdAt })
      .from(memberships)
      .innerJoin(users, eq(users.id, memberships.userId))
      .where(eq(memberships.orgId, tx.orgId))
      .orderBy(asc(createdAt), asc(memberships.id)),
  );
  return { members: rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() })) };
}

/**
 * Gives a member another role. Admins move members between the roles below owner; owners alone make owners or change
 * one. Throws 403 for more than the caller may, 404 for a user who is no member, 409 for the last owner.
 */
export async function changeMemberRole(context: OrgContext, memberId: string, roleKey: RoleKey) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const { actorRole, target } = await lockMembers(context, tx, memberId);
    assertMayManage(actorRole, target.roleKey);
    assertMayManage(actorRole, roleKey);
    assertMayGive(context, roleKey);
    if (target.roleKey === roleKey) return { membership: toMembership(target) };
    if (target.roleKey === 'owner') await assertOtherOwner(tx, memberId);
    await tx.update(memberships).set({ roleKey }).where(isMember(tx, memberId));
    await auditChange(context, tx, 'member.change_role', memberId, { roleKey, previousRoleKey: target.roleKey });
    return { membership: toMembership({ ...target, roleKey }) };
  });
}

/**
 * Removes a member, or lets the caller leave. Throws like `changeMemberRole`; leaving needs no rank, but a person: a key
 * that named its maker would put them out by accident, and itself with them.
 */
export async function removeMember(context: OrgContext, memberId: string) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    // Before anything is looked up: who may remove nobody does not learn who is a member either.
    const isLeaving = memberId === context.userId;
    if (isLeaving && context.apiKey)
      throw new AppError('FORBIDDEN', 'An API key cannot leave for the person who made it; sign in to leave.');
    if (!isLeaving && !isAtLeast(context.roleKey, 'admin')) throw new AppError('FORBIDDEN');
    const { actorRole, target } = await lockMembers(context, tx, memberId);
    if (!isLeaving) assertMayManage(actorRole, target.roleKey);
    if (target.roleKey === 'owner') await assertOtherOwner(tx, memberId);
    await tx.delete(memberships).where(isMember(tx, memberId));
    const action = isLeaving ? 'member.leave' : 'member.remove';
    await auditChange(context, tx, action, memberId, { roleKey: target.roleKey });
    return { ok: true as const };
  });
}

/**
 * Makes another member owner and the caller, until now an owner, admin: both or neither. Throws 400 for the caller
 * themselves, 404 for a user who is no member, 403 when the caller is no owner any more, 409 when the new owner is
 * disabled and there is no other.
 */
export async function transferOrganization(context: OrgContext, memberId: string) {
  if (memberId === context.userId) throw notToOneself();
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    const { actor, target } = await lockMembers(context, tx, memberId);
    if (actor.roleKey !== 'owner') throw new AppError('FORBIDDEN');
    await tx.update(memberships).set({ roleKey: 'owner' }).where(isMember(tx, memberId));
    await assertOtherOwner(tx, context.userId); // the new one may be somebody who cannot sign in
    await tx.update(memberships).set({ roleKey: 'admin' }).where(isMember(tx, context.userId));
    const data = { toUserId: memberId, fromUserId: context.userId, previousRoleKey: target.roleKey };
    await auditChange(context, tx, 'organization.transfer', tx.orgId, data);
    return {
      membership: toMembership({ ...target, roleKey: 'owner' }),
      previousOwner: toMembership({ ...actor, roleKey: 'admin' }),
    };
  });
}

/**
 * The roles of caller and target as they are once it is our turn. The role that let the request in may be old by now:
 * of two owners who demote each other at the same moment, the second is no owner any more when its turn comes.
 */
async function lockMembers(context: OrgContext, tx: OrgTx, memberId: string) {
  await lockOrganization(tx);
  const actor = await findMembership(tx, context.userId);
  if (!actor) throw new AppError('ORG_ACCESS_DENIED');
  const target = await findMembership(tx, memberId);
  if (!target) throw new AppError('NOT_FOUND');
  // Owners are out of a key's reach, whoever made it: one that leaked must not be able to put them all out.
  const actorRole = context.apiKey && actor.roleKey === 'owner' ? 'admin' : actor.roleKey;
  return { actor, actorRole, target };
}

/** A key that could make an admin could have that admin make further keys, which it may not do itself. */
export function assertMayGive({ apiKey }: UserContext, roleKey: RoleKey): void {
  if (apiKey && !isKeyGrantable(roleKey))
    throw new AppError('FORBIDDEN', 'An API key cannot give a role above member; sign in to do so.');
}

/** Admins deal with the roles below owner, owners with all. */
function assertMayManage(actorRole: RoleKey, roleKey: RoleKey): void {
  const isAllowed = isAtLeast(actorRole, 'admin') && isAtLeast(actorRole, roleKey);
  if (!isAllowed) throw new AppError('FORBIDDEN');
}

/** Whoever is disabled cannot act, so an organization of such owners alone has none. */
async function assertOtherOwner(tx: OrgTx, memberId: string): Promise<void> {
  const isOther = and(eq(memberships.orgId, tx.orgId), ne(memberships.userId, memberId));
  const others = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(and(isOther, eq(memberships.roleKey, 'owner'), isNull(users.disabledAt)))
    .limit(1);
  if (others.length === 0) throw new AppError('LAST_OWNER');
}

function notToOneself(): AppError {
  const message = 'must be another member; you own the organization already';
  return new AppError('BAD_REQUEST', undefined, { details: [{ path: 'memberId', code: 'SELF', message }] });
}
