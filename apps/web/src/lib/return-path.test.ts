import { expect, it } from 'vitest';
import { signInPath, toReturnPath } from './return-path.ts';

it.each(['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)', '/a\n', '', null])(
  'a sign-in goes on at home instead of %j',
  (wanted) => {
    expect(toReturnPath(wanted)).toBe('/home');
  },
);

it('a sign-in goes on where it was asked for', () => {
  expect(toReturnPath('/orgs/acme/runs?status=failed')).toBe('/orgs/acme/runs?status=failed');
  expect(signInPath('/orgs/acme')).toBe('/sign-in?returnTo=%2Forgs%2Facme');
  expect(signInPath('/home')).toBe('/sign-in');
});
