/**
 * What each role may do, without the schemas of permissions.ts: pages ask for this and should not load those.
 */
export const ROLE_KEYS = ['owner', 'admin', 'member'] as const;
type Role = (typeof ROLE_KEYS)[number];

/** Every permission there is, and the lowest role that holds it. Contracts name permissions, never roles. */
export const LOWEST_ROLE = {
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
  'run:decide': 'member',
  'api-key:read': 'admin',
  'api-key:write': 'admin',
  'audit:read': 'admin',
  'variable:read': 'member',
  'variable:write': 'admin',
  'notice:read': 'admin',
  'notice:write': 'admin',
} as const satisfies Record<string, Role>;

const RANK: Record<Role, number> = { member: 0, admin: 1, owner: 2 };

/** True when `role` holds `permission`. `member:remove` is held by all because leaving is removing oneself. */
export function hasPermission(role: Role, permission: keyof typeof LOWEST_ROLE): boolean {
  return RANK[role] >= RANK[LOWEST_ROLE[permission]];
}

/** True when `role` is at least as high as `other`. */
export function isAtLeast(role: Role, other: Role): boolean {
  return RANK[role] >= RANK[other];
}
