import type { Standing, Step } from '@millrace/shared/contracts/runs';
import { hasPermission, type RoleKey } from '@millrace/shared/permissions';
import { expect, it } from 'vitest';
import { questionOf } from './decisions.ts';

const step = (type: string, input: unknown = null): Step => ({
  ...{ stepId: 'a', type, status: 'waiting', attempt: 1, input, output: null },
  ...{ error: null, startedAt: null, finishedAt: null },
});
const person = (roleKey: RoleKey) => ({
  ...{
    roleKey,
    userId: 'me',
    can: (permission: Parameters<typeof hasPermission>[1]) => hasPermission(roleKey, permission),
  },
});
const lost: Standing = { code: 'WAITING_FOR_DECISION', message: '', until: null, stepIds: ['a'] };

it('an approval is answered by those it asks: a role and those above, or people by name', () => {
  expect(questionOf(step('approval', { by: 'admin', note: 'May it?' }), null, person('member'))).toEqual({
    ...{ kind: 'approval', mayAnswer: false, note: 'May it?' },
  });
  expect(questionOf(step('approval', { by: 'admin' }), null, person('owner'))?.mayAnswer).toBe(true);
  expect(questionOf(step('approval', { by: { userIds: ['me'] } }), null, person('member'))?.mayAnswer).toBe(true);
  expect(questionOf(step('approval', { by: { userIds: ['other'] } }), null, person('owner'))?.mayAnswer).toBe(false);
  expect(questionOf(step('approval', { $large: { sizeBytes: 70_000 } }), null, person('member'))?.mayAnswer).toBe(true);
});

it('a step of unknown outcome is an admin’s to decide, and a step that waits for something else asks nobody', () => {
  expect(questionOf(step('http.request'), lost, person('admin'))).toEqual({
    kind: 'unknown',
    mayAnswer: true,
    note: null,
  });
  expect(questionOf(step('http.request'), lost, person('member'))?.mayAnswer).toBe(false);
  expect(questionOf(step('delay'), { ...lost, code: 'WAITING_FOR_TIME' }, person('owner'))).toBeNull();
  expect(questionOf({ ...step('approval'), status: 'succeeded' }, null, person('owner'))).toBeNull();
});
