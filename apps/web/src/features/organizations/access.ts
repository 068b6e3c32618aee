import type { Organization } from '@millrace/shared/contracts/organizations';
import type { Permission, RoleKey } from '@millrace/shared/permissions';
import { hasPermission } from '@millrace/shared/role-permissions';

/** An organization as somebody sees it: what their role may not do is not offered. The API refuses it all the same. */
export interface OrganizationAccess {
  organization: Organization;
  roleKey: RoleKey;
  userId: string;
  can: (permission: Permission) => boolean;
  /** An address within the organization. */
  path: (below: string) => string;
}

export function accessOf(organization: Organization, roleKey: RoleKey, userId: string): OrganizationAccess {
  return {
    organization,
    roleKey,
    userId,
    can: (permission) => hasPermission(roleKey, permission),
    path: (below) => `/orgs/${organization.slug}${below}`,
  };
}
