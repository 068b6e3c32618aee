import { logIn, signUp } from '@millrace/shared/contracts/auth';
import { expect, it } from 'vitest';
import { sayProblem } from './field-message.ts';

it.each([
  ['Password', logIn.body.safeParse({ email: 'ada@example.com', password: '' }), 'Password is required.'],
  [
    'Password',
    signUp.body.safeParse({ email: 'ada@example.com', password: 'short' }),
    'Password must be at least 8 characters.',
  ],
  [
    'E-mail address',
    logIn.body.safeParse({ email: 'ada', password: 'x' }),
    'E-mail address must be an e-mail address.',
  ],
])('what a schema says about %s becomes a sentence that names the field', (label, { error }, sentence) => {
  expect(sayProblem(label, error?.issues[0]?.message ?? '')).toBe(sentence);
});

it('leaves the sentences of the server as they are', () => {
  expect(sayProblem('Password', 'This password is easy to guess.')).toBe('This password is easy to guess.');
});
