import { expect, it } from 'vitest';
import { expiryOf, permissionChoices } from './permission-choices.ts';

const offered = (role: 'owner' | 'admin' | 'member') =>
  permissionChoices(role).flatMap(({ permissions }) => permissions);

it('a key is offered what its maker holds, and nothing that no key may hold', () => {
  expect(offered('member')).toContain('run:start');
  expect(offered('member')).not.toContain('workflow:write');
  expect(offered('owner')).toContain('workflow:write');
  expect(offered('owner')).not.toContain('org:delete');
  expect(offered('owner')).not.toContain('api-key:write');
});

it('a key ends when it was said to, or never', () => {
  expect(expiryOf('30', Date.parse('2026-01-01T00:00:00Z'))).toBe('2026-01-31T00:00:00.000Z');
  expect(expiryOf('never', 0)).toBeNull();
});
