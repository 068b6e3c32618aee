import { isAtLeast, RoleKey } from '@millrace/shared/permissions';
import type { OrganizationAccess } from '../organizations/access.ts';

export const ROLE_NAMES: Record<RoleKey, string> = { owner: 'Owner', admin: 'Admin', member: 'Member' };

interface Person {
  userId: string;
  roleKey: RoleKey;
}

/** The roles that may be given to a member here: none is higher than one's own, and nobody above is touched. */
export function grantableRoles(access: OrganizationAccess, member: Person): RoleKey[] {
  if (!access.can('member:change-role') || !isAtLeast(access.roleKey, member.roleKey)) return [];
  return RoleKey.options.filter((role) => isAtLeast(access.roleKey, role));
}

/** Oneself leaves; others are removed by admins, and owners by owners. */
export function removalOf(access: OrganizationAccess, member: Person): 'leave' | 'remove' | null {
  if (member.userId === access.userId) return 'leave';
  const mayRemove = access.can('member:change-role') && isAtLeast(access.roleKey, member.roleKey);
  return mayRemove ? 'remove' : null;
}
