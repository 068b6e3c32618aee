import type { Page } from 'playwright-core';

export const PASSWORD = 'correct horse battery staple';

/** Somebody new, signed up in this browser, where they are asked to make an organization. */
export async function signUp(page: Page, email: string): Promise<void> {
  await page.goto('/sign-up');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.waitForURL('**/new-organization');
}

export async function makeOrganization(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Make organization' }).click();
  await page.waitForURL('**/orgs/*/workflows');
}

/** Somebody who has an account already, in this browser too. */
export async function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.goto('/sign-in');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL('**/orgs/*/workflows');
}
