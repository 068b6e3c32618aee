import { expect, it } from 'vitest';
import { describeEntry } from './describe-entry.ts';

it('an entry says in words what was done, by whom and to what', () => {
  const entry = { action: 'member.change_role', actorEmail: 'ada@example.com', actorApiKeyId: null };
  expect(describeEntry({ ...entry, subjectType: 'user', subjectId: '0198c0de-0000' })).toEqual({
    title: 'Change role member',
    actor: 'ada@example.com',
    subject: 'user 0198c0de',
  });
  const byKey = { action: 'run.start', actorEmail: null, actorApiKeyId: 'k' };
  expect(describeEntry({ ...byKey, subjectType: 'run', subjectId: null })).toMatchObject({
    actor: 'Millrace by API key',
    subject: null,
  });
});
