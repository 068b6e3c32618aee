import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectSound, openSite, photograph, type Site } from './browser.ts';
import { makeOrganization, PASSWORD, signUp } from './people.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site?.close());

it('somebody new makes an organization, whose slug is proposed and checked while they type, and starts from a template', async () => {
  const page = await site.newVisitor();
  await signUp(page, 'ada@example.com');
  await page.getByLabel('Name').fill('Analytical Engines & Söhne');
  await expect.poll(() => page.getByLabel('Slug').inputValue()).toBe('analytical-engines-sohne');
  await page.getByLabel('Slug').fill('A!');
  await page.getByText('Slug must be 3 to 50 characters of a-z, 0-9 and -.').waitFor();
  await photograph(page, 'new-organization');
  await page.getByLabel('Slug').fill('engines');
  await page.getByRole('button', { name: 'Make organization' }).click();
  await page.waitForURL('**/orgs/engines/workflows');

  await page.getByRole('button', { name: /Start from scratch/ }).waitFor();
  for (const name of ['Approve a purchase', 'Watch a website', 'Sort incoming orders'])
    expect(await page.getByRole('button', { name: new RegExp(name) }).count()).toBe(1);
  await photograph(page, 'empty-workspace');
  await page.getByRole('button', { name: /Approve a purchase/ }).click();
  await page.getByRole('heading', { name: 'Approve a purchase' }).waitFor();
  await page.getByText('No problems').waitFor();
});

it('a slug that is taken is said beside the slug', async () => {
  const page = await site.newVisitor();
  await signUp(page, 'grace@example.com');
  await page.getByLabel('Name').fill('Engines');
  await page.getByRole('button', { name: 'Make organization' }).click();
  await expect.poll(() => page.getByLabel('Slug').getAttribute('aria-invalid')).toBe('true');
  await page
    .getByRole('alert')
    .filter({ hasText: /taken|use/i })
    .waitFor();
});

it('an invitation is accepted by the invited person alone, whoever else opens its link', async () => {
  const owner = await site.newVisitor();
  await signUp(owner, 'owner@example.com');
  await makeOrganization(owner, 'Invitations');
  await owner.getByRole('link', { name: 'Members' }).click();
  await owner.getByRole('button', { name: 'Invite' }).click();
  await owner.getByLabel('E-mail address').fill('invited@example.com');
  await photograph(owner, 'invite');
  await owner.getByRole('button', { name: 'Send invitation' }).click();
  await owner.getByRole('list', { name: 'Invitations' }).getByText('invited@example.com').waitFor();
  const link = await site.mailedLink('invited@example.com', /^Join/);

  const other = await site.newVisitor();
  await signUp(other, 'other@example.com');
  await other.goto(link);
  await other.getByRole('button', { name: 'Accept the invitation' }).click();
  await other.getByText('This invitation is for another address than other@example.com.').waitFor();
  await photograph(other, 'invitation-wrong-account');
  await other.getByRole('button', { name: 'Sign out and use the invited address' }).click();
  await other.waitForURL('**/sign-in');

  const invited = await site.newVisitor();
  await invited.goto(link);
  await invited.getByRole('link', { name: 'Create an account' }).waitFor();
  await expectSound(invited);
  expect(invited.url()).not.toContain('#');
  await invited.getByRole('link', { name: 'Create an account' }).click();
  await invited.getByLabel('E-mail address').fill('invited@example.com');
  await invited.getByLabel('Password').fill(PASSWORD);
  await invited.getByRole('button', { name: 'Create account' }).click();
  await invited.getByRole('button', { name: 'Accept the invitation' }).click();
  await invited.waitForURL('**/orgs/invitations/workflows');
  // A member reads and runs; building is not offered.
  await invited.getByRole('heading', { name: 'No workflows yet' }).waitFor();
  expect(await invited.getByRole('link', { name: 'API keys' }).count()).toBe(0);

  await invited.goto('about:blank');
  await invited.goto(link);
  await invited.getByRole('button', { name: 'Accept the invitation' }).click();
  await invited.getByText('This invitation was already used or revoked').waitFor();
});
