import { expect, it } from 'vitest';
import { ApiError } from '../../lib/api-error.ts';
import { viewOf } from './use-accept-invitation.ts';

const refusal = (status: number) => new ApiError(status, { code: 'X', message: 'x' });

it.each([
  ['waits until it knows who is there', undefined, 'signed-in', null, 'loading'],
  ['waits until it knows who is there', 't', 'unknown', null, 'loading'],
  ['says that the link is not complete', null, 'signed-in', null, 'missing'],
  ['asks a stranger to sign in or up', 't', 'signed-out', null, 'stranger'],
  ['is ready for somebody signed in', 't', 'signed-in', null, 'ready'],
  ['tells another account so', 't', 'signed-in', refusal(403), 'wrong-account'],
  ['tells why else it was refused', 't', 'signed-in', refusal(404), 'refused'],
])('an invitation %s', (_, token, status, error, view) => {
  expect(viewOf(token, status, error)).toBe(view);
});
