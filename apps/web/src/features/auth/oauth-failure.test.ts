import { expect, it } from 'vitest';
import { arrivalOf, sayOAuthFailure } from './oauth-failure.ts';

it.each([
  ['OAUTH_EXCHANGE_FAILED', /cancelled at the provider/],
  ['CONFLICT', /another account/],
  ['OAUTH_EMAIL_REQUIRED', /verified e-mail address/],
  ['toString', /did not work/],
  ['<b>', /did not work/],
])('a person reads what %s means for them', (code, words) => {
  expect(sayOAuthFailure(code)).toMatch(words);
});

it('somebody who was signed in already hears on their account page why linking failed', () => {
  expect(arrivalOf('/home', { failure: 'Not linked.', wasSignedOut: false })).toEqual({
    path: '/account',
    say: 'Not linked.',
  });
});

it('somebody who signs in after a failed sign-in goes where they wanted', () => {
  expect(arrivalOf('/orgs/acme', { failure: 'Cancelled.', wasSignedOut: true })).toEqual({ path: '/orgs/acme' });
  expect(arrivalOf('/orgs/acme', { wasSignedOut: false })).toEqual({ path: '/orgs/acme' });
});
