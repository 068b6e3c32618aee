import { z } from 'zod';

export const RoleKey = z.enum(['owner', 'admin', 'member']);
export type RoleKey = z.infer<typeof RoleKey>;

/** Every permission there is, and the lowest role that holds it. Contracts name permissions, never roles. */
const LOWEST_ROLE = {
  'org:read': 'member',
  'org:update': 'admin',
  'org:delete': 'owner',
  'org:transfer': 'owner',
  'member:read': 'member',
  'member:change-role': 'admin',
  'member:remove': 'member',
  'invitation:read': 'admin',
  'invitation:write': 'admin',
  'workflow:read': 'member',
  'workflow:write': 'admin',
  'workflow:publish': 'admin',
  'run:read': 'member',
  'run:start': 'member',
  'api-key:read': 'admin',
  'api-key:write': 'admin',
  'audit:read': 'admin',
  'variable:read': 'member',
  'variable:write': 'admin',
  'notice:read': 'admin',
  'notice:write': 'admin',
} as const satisfies Record<string, RoleKey>;

export type Permission = keyof typeof LOWEST_ROLE;

const RANK: Record<RoleKey, number> = { member: 0, admin: 1, owner: 2 };

/** True when `role` holds `permission`. `member:remove` is held by all because leaving is removing oneself. */
export function hasPermission(role: RoleKey, permission: Permission): boolean {
  return RANK[role] >= RANK[LOWEST_ROLE[permission]];
}

/** True when `role` is at least as high as `other`. */
export function isAtLeast(role: RoleKey, other: RoleKey): boolean {
  return RANK[role] >= RANK[other];
}
