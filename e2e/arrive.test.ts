import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectSound, openSite, photograph, type Site } from './browser.ts';
import { PASSWORD, signUp } from './people.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site?.close());

it('a stranger reads what this is, signs up, signs out and signs in again', async () => {
  const page = await site.newVisitor();
  await page.goto('/');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await photograph(page, 'landing');
  await page.getByRole('main').getByRole('link', { name: 'Create an account' }).click();
  await page.getByRole('heading', { name: 'Create your account' }).waitFor();
  await photograph(page, 'sign-up');
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.waitForURL('**/new-organization');

  await page.reload();
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForURL('**/sign-in');
  await page.goto('/new-organization');
  await page.waitForURL('**/sign-in?returnTo=%2Fnew-organization');
  await page.getByLabel('E-mail address').fill('Ada@Example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/new-organization');
  expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).toBe('[{},{}]');
});

it('what is wrong is said beside the field it is about', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-up');
  await page.getByLabel('E-mail address').fill('not an address');
  await page.getByLabel('Password').fill('short');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByText('E-mail address must be an e-mail address.').waitFor();
  await page.getByText('Password must be at least 8 characters.').waitFor();
  expect(await page.getByLabel('E-mail address').getAttribute('aria-invalid')).toBe('true');
  await photograph(page, 'sign-up-problems');

  // What only the server knows: the address is taken, the password easy to guess.
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill('password123');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect.poll(() => describedBy('Password')).toMatch(/guess|common|easy|weak/i);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect.poll(() => describedBy('E-mail address')).toMatch(/registered|account|taken|exists/i);

  await page.goto('/sign-in');
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill('wrong password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('main').getByRole('alert').waitFor();
  await photograph(page, 'sign-in');

  async function describedBy(label: string): Promise<string> {
    const id = await page.getByLabel(label).getAttribute('aria-describedby');
    return id === null ? '' : ((await page.locator(`[id="${id}"]`).textContent()) ?? '');
  }
});

it('a forgotten password is set anew by a mailed link, once', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-in');
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.waitForURL('**/forgot-password');
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByRole('button', { name: 'Send the link' }).click();
  await page.getByRole('heading', { name: 'Look into your mail' }).waitFor();
  await expectSound(page);
  const link = await site.mailedLink('ada@example.com', /password/i);
  await page.goto(link);
  await page.getByLabel('New password').fill('another horse battery staple');
  await expect.poll(() => page.url()).not.toContain('#');
  await photograph(page, 'reset-password');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('link', { name: 'Sign in with it' }).click();
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill('another horse battery staple');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/new-organization');

  await page.goto('about:blank');
  await page.goto(link);
  await page.getByLabel('New password').fill('a third horse battery staple');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByText('This link is not valid any more').waitFor();
});

it('an address is confirmed by its mailed link, after signing in where that is needed', async () => {
  await signUp(await site.newVisitor(), 'grace@example.com');
  const page = await site.newVisitor();
  await page.goto(await site.mailedLink('grace@example.com', /confirm/i));
  await page.waitForURL('**/sign-in?returnTo=*');
  await page.getByLabel('E-mail address').fill('grace@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Your e-mail address is confirmed.').waitFor();
  await expectSound(page);
});

it('a server without providers offers none, and a failed sign-in at one is explained', async () => {
  const page = await site.newVisitor();
  await page.goto('/sign-in');
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await page.waitForLoadState('networkidle');
  expect(await page.getByRole('link', { name: /Continue with/ }).count()).toBe(0);
  await page.goto('about:blank');
  await page.goto('/sign-in#error=OAUTH_EMAIL_REQUIRED');
  await page.getByText('The provider did not share a verified e-mail address.').waitFor();
});
