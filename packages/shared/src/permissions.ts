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
  'run:decide': 'member',
  'api-key:read': 'admin',
  'api-key:write': 'admin',
  'audit:read': 'admin',
  'variable:read': 'member',
  'variable:write': 'admin',
  'notice:read': 'admin',
  'notice:write': 'admin',
} as const satisfies Record<string, RoleKey>;

export const Permission = z.enum(Object.keys(LOWEST_ROLE) as (keyof typeof LOWEST_ROLE)[]);
export type Permission = z.infer<typeof Permission>;

/**
 * What only a signed-in person may do, whatever their API key holds: a key that leaked must not make further keys, so that
 * revoking it ends the matter, and must neither destroy the organization nor give it away.
 */
const PERSON_ONLY = ['api-key:write', 'org:delete', 'org:transfer'] as const satisfies Permission[];

const RANK: Record<RoleKey, number> = { member: 0, admin: 1, owner: 2 };

/** True when `role` holds `permission`. `member:remove` is held by all because leaving is removing oneself. */
export function hasPermission(role: RoleKey, permission: Permission): boolean {
  return RANK[role] >= RANK[LOWEST_ROLE[permission]];
}

/** True when `role` is at least as high as `other`. */
export function isAtLeast(role: RoleKey, other: RoleKey): boolean {
  return RANK[role] >= RANK[other];
}

/** True when an API key can hold the permission at all. Routes with another one are for people: `auth: 'session'`. */
export function isKeyPermission(permission: Permission): boolean {
  return !PERSON_ONLY.some((personal) => personal === permission);
}

/** True when an API key may give somebody this role: it holds nothing that no key can hold. */
export function isKeyGrantable(role: RoleKey): boolean {
  return !PERSON_ONLY.some((personal) => hasPermission(role, personal));
}

export const KeyPermission = Permission.exclude(PERSON_ONLY, {
  error: ({ input }) =>
    PERSON_ONLY.some((personal) => personal === input)
      ? `no API key may hold ${input}: only a signed-in person may do this`
      : 'must be the name of a permission',
});
