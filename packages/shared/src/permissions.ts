import { z } from 'zod';
import { hasPermission, LOWEST_ROLE, ROLE_KEYS } from './role-permissions.ts';

export { hasPermission, isAtLeast } from './role-permissions.ts';

export const RoleKey = z.enum(ROLE_KEYS);
export type RoleKey = z.infer<typeof RoleKey>;

export const Permission = z.enum(Object.keys(LOWEST_ROLE) as (keyof typeof LOWEST_ROLE)[]);
export type Permission = z.infer<typeof Permission>;

/**
 * What only a signed-in person may do, whatever their API key holds: a key that leaked must not make further keys, so that
 * revoking it ends the matter, and must neither destroy the organization nor give it away.
 */
const PERSON_ONLY = ['api-key:write', 'org:delete', 'org:transfer'] as const satisfies Permission[];

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
