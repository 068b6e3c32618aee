import { expect, it } from 'vitest';
import {
  hasPermission,
  isAtLeast,
  isKeyGrantable,
  isKeyPermission,
  KeyPermission,
  Permission,
  RoleKey,
} from './permissions.ts';

/** The whole table, written out: a permission that moves to another role must be changed here on purpose too. */
const TABLE: Record<Permission, [owner: boolean, admin: boolean, member: boolean]> = {
  'org:read': [true, true, true],
  'org:update': [true, true, false],
  'org:delete': [true, false, false],
  'org:transfer': [true, false, false],
  'member:read': [true, true, true],
  'member:change-role': [true, true, false],
  'member:remove': [true, true, true],
  'invitation:read': [true, true, false],
  'invitation:write': [true, true, false],
  'workflow:read': [true, true, true],
  'workflow:write': [true, true, false],
  'workflow:publish': [true, true, false],
  'run:read': [true, true, true],
  'run:start': [true, true, true],
  'run:decide': [true, true, true],
  'api-key:read': [true, true, false],
  'api-key:write': [true, true, false],
  'audit:read': [true, true, false],
  'variable:read': [true, true, true],
  'variable:write': [true, true, false],
  'notice:read': [true, true, false],
  'notice:write': [true, true, false],
};

it.each(Object.entries(TABLE))('grants %s to exactly the roles of the table', (permission, expected) => {
  const granted = RoleKey.options.map((role) => hasPermission(role, permission as Permission));
  expect(granted).toEqual(expected);
});

it('orders owner above admin above member', () => {
  const order = RoleKey.options.map((role) => RoleKey.options.map((other) => isAtLeast(role, other)));
  expect(order).toEqual([
    [true, true, true],
    [false, true, true],
    [false, false, true],
  ]);
});

it('keeps making keys, deleting and handing over an organization from every API key', () => {
  const personal = Permission.options.filter((permission) => !isKeyPermission(permission));
  expect(personal.toSorted()).toEqual(['api-key:write', 'org:delete', 'org:transfer']);
  expect(KeyPermission.options.toSorted()).toEqual(Permission.options.filter(isKeyPermission).toSorted());
  expect(KeyPermission.safeParse('org:delete').error?.issues[0]?.message).toMatch(/^no API key may hold org:delete/);
  expect(KeyPermission.safeParse('org:burn').error?.issues[0]?.message).toBe('must be the name of a permission');
});

it('lets a key give the role that could do none of this, and no other', () => {
  expect(RoleKey.options.filter(isKeyGrantable)).toEqual(['member']);
});
