import { expect, it } from 'vitest';
import { accessOf } from '../organizations/access.ts';
import { grantableRoles, removalOf } from './roles.ts';

const organization = { id: 'o', slug: 'acme', name: 'Acme', createdAt: '2026-01-01T00:00:00Z' };
const as = (role: 'owner' | 'admin' | 'member') => accessOf(organization, role, 'me');

it('a member is offered no role to give; an admin none above their own, and nothing about owners', () => {
  expect(grantableRoles(as('member'), { userId: 'x', roleKey: 'member' })).toEqual([]);
  expect(grantableRoles(as('admin'), { userId: 'x', roleKey: 'member' })).toEqual(['admin', 'member']);
  expect(grantableRoles(as('admin'), { userId: 'x', roleKey: 'owner' })).toEqual([]);
  expect(grantableRoles(as('owner'), { userId: 'x', roleKey: 'owner' })).toEqual(['owner', 'admin', 'member']);
});

it('everybody may leave; who removes others stands at least as high', () => {
  expect(removalOf(as('member'), { userId: 'me', roleKey: 'member' })).toBe('leave');
  expect(removalOf(as('member'), { userId: 'x', roleKey: 'member' })).toBeNull();
  expect(removalOf(as('admin'), { userId: 'x', roleKey: 'owner' })).toBeNull();
  expect(removalOf(as('admin'), { userId: 'x', roleKey: 'admin' })).toBe('remove');
});
