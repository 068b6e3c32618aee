import { expect, it } from 'vitest';
import { saySettings, sayTest } from './describe-settings.ts';

const settings = { channel: 'none', emails: [], webhookUrl: null, updatedAt: null } as const;

it.each([
  [{}, 'Nobody is told when runs fail.'],
  [{ channel: 'email', emails: ['a@example.com', 'b@example.com'] }, /mailed to a@example.com and b@example.com/],
  [{ channel: 'email', emails: [] }, /Nobody is told: none of the chosen members/],
  [{ channel: 'webhook', webhookUrl: 'https://hooks.example.com/***' }, /posted to https:\/\/hooks.example.com/],
] as const)('%j is said as %s', (changes, said) => {
  const sentence = saySettings({ ...settings, ...changes, emails: 'emails' in changes ? [...changes.emails] : [] });
  expect(sentence).toMatch(said);
});

it('a test notice says whether it arrived, and why not', () => {
  expect(sayTest({ sent: true, channel: 'email', error: null })).toEqual({
    ok: true,
    text: 'The test notice arrived.',
  });
  expect(sayTest({ sent: false, channel: 'webhook', error: 'connection refused' })).toEqual({
    ok: false,
    text: 'The test did not arrive: connection refused',
  });
});
