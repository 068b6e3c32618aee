import { hasPermission, isKeyPermission, KeyPermission, type RoleKey } from '@millrace/shared/permissions';

/** What a key of somebody with this role may hold, by the noun that it is about. */
export function permissionChoices(role: RoleKey): { noun: string; permissions: KeyPermissionName[] }[] {
  const choices = KeyPermission.options.filter((name) => isKeyPermission(name) && hasPermission(role, name));
  const nouns = [...new Set(choices.map((name) => name.split(':')[0] ?? name))];
  return nouns.map((noun) => ({ noun, permissions: choices.filter((name) => name.startsWith(`${noun}:`)) }));
}

export type KeyPermissionName = (typeof KeyPermission.options)[number];

export const LIFETIMES = { '30': '30 days', '90': '90 days', '365': 'a year', never: 'never' } as const;
const DAY_MS = 86_400_000;

export function expiryOf(lifetime: keyof typeof LIFETIMES, nowMs: number): string | null {
  return lifetime === 'never' ? null : new Date(nowMs + Number(lifetime) * DAY_MS).toISOString();
}
