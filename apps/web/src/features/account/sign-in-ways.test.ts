import { expect, it } from 'vitest';
import { signInWays } from './sign-in-ways.ts';

const google = {
  provider: 'google' as const,
  email: 'ada@example.com',
  createdAt: '2026-01-01T00:00:00.000Z',
  lastUsedAt: '2026-01-01T00:00:00.000Z',
};

it('a linked provider is listed once, and one that could be linked after it', () => {
  expect(signInWays([google], ['github', 'google'])).toEqual([
    { provider: 'google', identity: google },
    { provider: 'github', identity: null },
  ]);
});

it('a linked provider that the server no longer has can still be unlinked', () => {
  expect(signInWays([google], [])).toEqual([{ provider: 'google', identity: google }]);
});

it('nothing is offered where no provider is configured', () => {
  expect(signInWays([], [])).toEqual([]);
});
