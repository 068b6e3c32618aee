import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite, photograph, type Site } from './browser.ts';
import { makeOrganization, signUp } from './people.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site?.close());

/** A member of the organization whose settings `owner` looks at. */
async function addMember(owner: Page, slug: string, email: string): Promise<Page> {
  await owner.goto(`/orgs/${slug}/members`);
  await owner.getByRole('button', { name: 'Invite', exact: true }).click();
  await owner.getByLabel('E-mail address').fill(email);
  await owner.getByRole('button', { name: 'Send invitation' }).click();
  const member = await site.newVisitor();
  await signUp(member, email);
  await member.goto(await site.mailedLink(email, /^Join/));
  await member.getByRole('button', { name: 'Accept the invitation' }).click();
  await member.waitForURL(`**/orgs/${slug}/workflows`);
  return member;
}

it('a slug is told to be taken or free while it is typed, before anything is sent', async () => {
  const first = await site.newVisitor();
  await signUp(first, 'first@example.com');
  await first.getByLabel('Name').fill('Engines');
  const said = first.getByRole('status').filter({ hasText: /free|taken/ });
  await said.getByText('engines is free.').waitFor();
  await photograph(first, 'slug-free');
  await makeOrganization(first, 'Engines');

  const second = await site.newVisitor();
  await signUp(second, 'second@example.com');
  await second.getByLabel('Name').fill('Engines');
  await second.getByText('engines is taken; choose another one.').waitFor();
  await photograph(second, 'slug-taken');
  await second.getByLabel('Slug').fill('engines-2');
  await second.getByText('engines-2 is free.').waitFor();
  await second.getByLabel('Slug').fill('No');
  await second.getByText('Slug must be 3 to 50 characters of a-z, 0-9 and -.').waitFor();
  expect(await second.getByText(/is free|is taken/).count()).toBe(0);
});

it('variables are made, edited and deleted by who may, and read by everybody', async () => {
  const owner = await site.newVisitor();
  await signUp(owner, 'variables@example.com');
  await makeOrganization(owner, 'Variables');
  await owner.getByRole('link', { name: 'Variables' }).click();
  await owner.getByRole('heading', { name: 'No variables yet' }).waitFor();
  await photograph(owner, 'variables-empty');
  await owner.getByRole('button', { name: 'New variable' }).click();
  await owner.getByLabel('Name').fill('base_url');
  await owner.getByLabel('Value').fill('https://api.example.com');
  await photograph(owner, 'new-variable');
  await owner.getByRole('button', { name: 'Make variable' }).click();
  await owner.getByText('base_url was made.').waitFor();
  await owner.getByRole('button', { name: 'New variable' }).click();
  await owner.getByLabel('Name').fill('base_url');
  await owner.getByLabel('Kind').selectOption('json');
  await owner.getByLabel('Value').fill('{"retries": 3');
  await owner.getByRole('button', { name: 'Make variable' }).click();
  await owner.getByText('Name is the name of another variable; edit that one.').waitFor();
  await owner.getByLabel('Name').fill('limits');
  await owner.getByRole('button', { name: 'Make variable' }).click();
  await owner.getByText(/^Value must be JSON/).waitFor();
  await owner.getByLabel('Value').fill('{"retries": 3, "hosts": ["a", "b"]}');
  await owner.getByRole('button', { name: 'Make variable' }).click();
  const list = owner.getByRole('list', { name: 'Variables' });
  await list.getByText('{"hosts":["a","b"],"retries":3}').waitFor();
  await photograph(owner, 'variables');

  const member = await addMember(owner, 'variables', 'reader@example.com');
  await member.getByRole('link', { name: 'Variables' }).click();
  await member.getByText('https://api.example.com').waitFor();
  expect(await member.getByRole('button', { name: /New variable|^Edit|^Delete/ }).count()).toBe(0);

  await owner.getByRole('link', { name: 'Variables' }).click();
  await owner.getByRole('button', { name: 'Edit base_url' }).click();
  await owner.getByLabel('Value').fill('https://eu.example.com');
  await owner.getByRole('button', { name: 'Save' }).click();
  await list.getByText('https://eu.example.com').waitFor();
  await owner.getByRole('button', { name: 'Delete limits' }).click();
  await owner.getByRole('button', { name: 'Delete variable' }).click();
  await owner.getByText('limits was deleted.').waitFor();
  expect(await list.getByRole('listitem').count()).toBe(1);
});

it('settings of runs and notices are seen by who may, and kept', async () => {
  const owner = await site.newVisitor();
  await signUp(owner, 'settings@example.com');
  await makeOrganization(owner, 'Settings');
  await owner.goto('/orgs/settings/settings');
  await owner.getByText('as many as the workers can run').waitFor();
  await owner.getByText(/as the server does by default/).waitFor();
  await owner.getByLabel('Days').fill('0');
  await owner.getByLabel('Days').press('Enter');
  await owner.getByLabel('Days').and(owner.locator('[aria-invalid]')).waitFor();
  await owner.getByLabel('Days').fill('30');
  await owner.getByLabel('Days').press('Enter');
  await owner.getByText('Kept for 30 days.', { exact: true }).waitFor();

  const notices = owner.locator('section', { has: owner.getByRole('heading', { name: 'Failure notices' }) });
  await notices.getByLabel('Tell').selectOption('email');
  await notices.getByLabel('settings@example.com').check();
  await notices.getByRole('button', { name: 'Save' }).click();
  await notices.getByText('Not confirmed by its member yet: settings@example.com.').waitFor();
  await photograph(owner, 'settings-notices-refused');
  await owner.goto(await site.mailedLink('settings@example.com', /confirm/i));
  await owner.getByText('Your e-mail address is confirmed.').waitFor();
  await owner.goto('/orgs/settings/settings');
  await notices.getByLabel('Tell').selectOption('email');
  await notices.getByLabel('settings@example.com').check();
  await notices.getByRole('button', { name: 'Save' }).click();
  await notices.getByText('Failures are mailed to settings@example.com.').waitFor();
  await notices.getByRole('button', { name: 'Send a test' }).click();
  await owner.getByText('The test notice arrived.').waitFor();

  await notices.getByLabel('Tell').selectOption('webhook');
  await notices.getByLabel('URL').fill('https://hooks.example.com/services/secret-part');
  await notices.getByRole('button', { name: 'Save' }).click();
  await owner.getByRole('dialog', { name: 'Signing secret' }).waitFor();
  await photograph(owner, 'settings-notice-secret');
  await owner.getByRole('button', { name: 'Done' }).click();
  await notices.getByText('Failures are posted to https://hooks.example.com/***.').waitFor();
  expect(await owner.content()).not.toContain('secret-part');
  await owner.evaluate('window.scrollTo(0, 0)');
  await photograph(owner, 'settings-of-an-owner');

  const member = await addMember(owner, 'settings', 'looker@example.com');
  await member.goto('/orgs/settings/settings');
  await member.getByText('Kept for 30 days.', { exact: true }).waitFor();
  expect(await member.getByRole('button', { name: /Save|Transfer|Delete|Send a test/ }).count()).toBe(0);
  expect(await member.getByRole('heading', { name: 'Failure notices' }).count()).toBe(0);
  await photograph(member, 'settings-of-a-member');
});

it('ownership goes to another member once the name is typed, and the old owner is offered it no more', async () => {
  const owner = await site.newVisitor();
  await signUp(owner, 'old-owner@example.com');
  await makeOrganization(owner, 'Handed over');
  await owner.goto('/orgs/handed-over/settings');
  await owner.getByText('There is nobody else yet.').waitFor();
  const heir = await addMember(owner, 'handed-over', 'heir@example.com');
  await owner.goto('/orgs/handed-over/settings');
  await owner.getByLabel('New owner').selectOption({ label: 'heir@example.com' });
  await owner.getByLabel('Type the name, Handed over, to transfer').fill('Handed');
  await owner.getByRole('button', { name: 'Transfer ownership' }).click();
  await owner.getByText('This must be the name of the organization, Handed over.').waitFor();
  await owner.getByRole('button', { name: 'Transfer ownership' }).scrollIntoViewIfNeeded();
  await photograph(owner, 'settings-transfer');
  await owner.getByLabel('Type the name, Handed over, to transfer').fill('Handed over');
  await owner.getByRole('button', { name: 'Transfer ownership' }).click();
  await owner.getByText('The organization has a new owner; you are an admin now.').waitFor();
  await expect.poll(() => owner.getByRole('heading', { name: 'Ownership' }).count()).toBe(0);
  expect(await owner.getByRole('button', { name: 'Delete organization' }).count()).toBe(0);
  await heir.goto('/orgs/handed-over/settings');
  await heir.getByRole('heading', { name: 'Ownership' }).waitFor();
});
