import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OIDC_CLIENT, startOidcProvider } from '../apps/api/src/features/oauth/testing-oidc-provider.ts';
import { openSite, photograph, type Site } from './browser.ts';
import { PASSWORD, signUp } from './people.ts';

let site: Site;
let provider: Awaited<ReturnType<typeof startOidcProvider>>;

beforeAll(async () => {
  site = await openSite(async (url) => {
    const redirectUri = `${url}/v1/auth/oauth/google/callback`;
    provider = await startOidcProvider(redirectUri);
    return {
      GOOGLE_CLIENT_ID: OIDC_CLIENT.id,
      GOOGLE_CLIENT_SECRET: OIDC_CLIENT.secret,
      GOOGLE_REDIRECT_URI: redirectUri,
      OAUTH_GOOGLE_ISSUER: provider.issuer,
    };
  });
});
afterAll(async () => {
  await site?.close();
  await provider?.close();
});

/** At the provider, which shows its own page once for each browser. */
async function agreeAs(page: Page, email: string): Promise<void> {
  await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
  expect(new URL(page.url()).origin).toBe(provider.issuer);
  await page.getByLabel('Address').fill(email);
  await page.getByRole('button', { name: 'Agree' }).click();
}

it('a person signs in at a provider from the button to their page, and one that is not configured has no button', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-in?returnTo=%2Faccount');
  const google = page.getByRole('link', { name: 'Continue with Google' });
  await google.waitFor();
  expect(await page.getByRole('link', { name: /Continue with/ }).count()).toBe(1);
  await photograph(page, 'sign-in-with-provider');
  await google.click();
  await agreeAs(page, 'grace@example.com');
  await page.waitForURL(`${site.url}/account`);
  await page.getByRole('heading', { name: 'Your account' }).waitFor();
  const ways = page.getByRole('list', { name: 'Ways to sign in' });
  await ways.getByText('grace@example.com').waitFor();
  // The callback left nothing of its own in the address, and the session is one that a reload keeps.
  await page.reload();
  await ways.getByText('grace@example.com').waitFor();
  expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).toBe('[{},{}]');
});

it('a sign-in that is cancelled at the provider says so on the sign-in page', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-in');
  await page.getByRole('link', { name: 'Continue with Google' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL(`${site.url}/sign-in`);
  await page.getByRole('main').getByRole('alert').getByText('it was cancelled at the provider').waitFor();
  await photograph(page, 'sign-in-cancelled');
});

it('the only way to sign in cannot be unlinked; beside a password it can, and be linked again', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-in?returnTo=%2Faccount');
  await page.getByRole('link', { name: 'Continue with Google' }).click();
  await agreeAs(page, 'only@example.com');
  await page.getByRole('button', { name: 'Unlink Google' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unlink' }).click();
  await page.getByText('This is the only way to sign in; set a password or link another provider first.').waitFor();
  await page.getByRole('list', { name: 'Ways to sign in' }).getByText('only@example.com').waitFor();

  await page.getByRole('link', { name: 'Set a password by mail' }).click();
  await page.getByLabel('E-mail address').fill('only@example.com');
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.goto(await site.mailedLink('only@example.com', /password/i));
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('link', { name: 'Sign in with it' }).waitFor();
  await page.goto('/sign-in?returnTo=%2Faccount');
  await page.getByLabel('E-mail address').fill('only@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: 'Unlink Google' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unlink' }).click();
  await page.getByText('Google is unlinked.').waitFor();
  await photograph(page, 'account-unlinked');
  // The provider knows this browser by now and asks nothing.
  await page.getByRole('button', { name: 'Link Google' }).click();
  await page.getByRole('button', { name: 'Unlink Google' }).waitFor();
  expect(page.url()).toBe(`${site.url}/account`);
  await photograph(page, 'account-linked');
});

it('somebody who links the sign-in of another account stays signed in and reads why it was refused', async () => {
  const page = await site.newVisitor();
  await signUp(page, 'other@example.com');
  await page.goto('/account');
  await page.getByRole('button', { name: 'Link Google' }).click();
  await agreeAs(page, 'grace@example.com');
  await page.waitForURL(`${site.url}/account`);
  await page.getByText('Not linked: this sign-in belongs to another account').waitFor();
  await page.getByRole('button', { name: 'Link Google' }).waitFor();
});
