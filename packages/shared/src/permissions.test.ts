import { expect, it } from 'vitest';
import { hasPermission, isAtLeast, type Permission, RoleKey } from './permissions.ts';

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
