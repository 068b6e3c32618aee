import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite, photograph, type Site } from './browser.ts';
import { makeOrganization, PASSWORD, signUp } from './people.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site?.close());

it('an owner invites, sends again, revokes, changes a role and removes a member, and the log tells it all', async () => {
  const owner = await site.newVisitor();
  await signUp(owner, 'owner@example.com');
  await makeOrganization(owner, 'Acme');
  await owner.getByRole('link', { name: 'Members' }).click();
  for (const email of ['grace@example.com', 'wrong@example.com']) {
    await owner.getByRole('button', { name: 'Invite', exact: true }).click();
    await owner.getByLabel('E-mail address').fill(email);
    await owner.getByRole('button', { name: 'Send invitation' }).click();
    await owner.getByRole('list', { name: 'Invitations' }).getByText(email).waitFor();
  }
  await site.mailedLink('wrong@example.com', /^Join/);
  const first = await site.mailedLink('grace@example.com', /^Join/);
  await owner.getByRole('button', { name: 'Revoke wrong@example.com' }).click();
  await owner.getByText('The invitation was revoked.').waitFor();
  await owner.getByRole('button', { name: 'Send again to grace@example.com' }).click();
  await owner.getByText('mailed to grace@example.com again').waitFor();
  await expect.poll(() => site.mailedLink('grace@example.com', /^Join/), { timeout: 45_000 }).not.toBe(first);

  const grace = await site.newVisitor();
  await signUp(grace, 'grace@example.com');
  await grace.goto(await site.mailedLink('grace@example.com', /^Join/));
  await grace.getByRole('button', { name: 'Accept the invitation' }).click();
  await grace.waitForURL('**/orgs/acme/workflows');
  await grace.goto('/orgs/acme/members');
  await grace.getByText('owner@example.com').waitFor();
  expect(await grace.getByRole('button', { name: 'Invite', exact: true }).count()).toBe(0);
  expect(await grace.getByRole('combobox').count()).toBe(0);

  await owner.reload();
  await owner.getByRole('combobox', { name: 'Role of grace@example.com' }).selectOption('admin');
  await owner.getByText('The role was changed.').waitFor();
  await photograph(owner, 'members');
  await owner.getByRole('button', { name: 'Remove grace@example.com' }).click();
  await owner.getByRole('button', { name: 'Remove member' }).click();
  await owner.getByText('The member was removed.').waitFor();
  await grace.reload();
  await grace.getByText('You are not a member of this organization').waitFor();

  await owner.getByRole('link', { name: 'Audit log' }).click();
  const entries = owner.getByRole('list', { name: 'Entries' });
  await entries.getByText('Remove member').waitFor();
  await entries.getByText('Change role member').waitFor();
  await photograph(owner, 'audit-log');
});

it('an API key is shown once, works, and is refused after it was revoked', async () => {
  const page = await site.newVisitor({ permissions: ['clipboard-read', 'clipboard-write'] });
  await signUp(page, 'keys@example.com');
  await makeOrganization(page, 'Keys');
  await page.getByRole('link', { name: 'Settings' }).click();
  const orgId = (await page.locator('code').first().textContent()) ?? '';
  await photograph(page, 'settings');
  await page.getByRole('link', { name: 'API keys' }).click();
  await photograph(page, 'api-keys-empty');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill('Deployments');
  await page.getByRole('button', { name: 'Make key' }).click();
  await page.getByText('Choose at least one.').waitFor();
  await page.getByLabel('workflow:read').check();
  await photograph(page, 'new-api-key');
  await page.getByRole('button', { name: 'Make key' }).click();
  await page.getByRole('button', { name: 'Copy API key' }).click();
  const key = await page.evaluate<string>('navigator.clipboard.readText()');
  await page.getByRole('button', { name: 'Done' }).click();
  expect(await page.content()).not.toContain(key);
  const ask = async () =>
    (
      await fetch(`${site.url}/v1/orgs/${orgId}/workflows`, {
        headers: { authorization: `Bearer ${key}`, 'x-org-id': orgId },
      })
    ).status;
  expect(await ask()).toBe(200);
  await photograph(page, 'api-keys');
  await page.getByRole('button', { name: 'Revoke Deployments' }).click();
  await page.getByText('The key was revoked').waitFor();
  expect(await ask()).toBe(401);
});

it('a person with two organizations switches between them, and renames and deletes one', async () => {
  const page = await site.newVisitor();
  await signUp(page, 'two@example.com');
  await makeOrganization(page, 'First one');
  await page.getByRole('button', { name: /^Organization:/ }).click();
  await photograph(page, 'switcher');
  await page.getByRole('menuitem', { name: 'New organization' }).click();
  await makeOrganization(page, 'Second one');
  await page.getByRole('button', { name: 'Organization: Second one' }).click();
  await page.getByRole('menuitem', { name: /First one/ }).click();
  await page.waitForURL('**/orgs/first-one/workflows');
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Name').fill('Renamed');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('button', { name: 'Organization: Renamed' }).waitFor();
  await page.getByLabel('Type first-one to confirm').fill('second-one');
  await page.getByRole('button', { name: 'Delete organization' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Type first-one to confirm').fill('first-one');
  await page.getByRole('button', { name: 'Delete organization' }).click();
  await page.waitForURL('**/orgs/second-one/workflows');
});

it('"sign out everywhere" ends every session at once', async () => {
  const [here, there] = [await site.newVisitor(), await site.newVisitor()];
  await signUp(here, 'everywhere@example.com');
  await there.goto('/sign-in?returnTo=%2Faccount');
  await there.getByLabel('E-mail address').fill('everywhere@example.com');
  await there.getByLabel('Password').fill(PASSWORD);
  await there.getByRole('button', { name: 'Sign in' }).click();
  await there.getByRole('list', { name: 'Sessions' }).waitFor();
  expect(await there.getByRole('list', { name: 'Sessions' }).getByRole('listitem').count()).toBe(2);
  await photograph(there, 'account');
  await there.getByRole('button', { name: 'Sign out everywhere' }).click();
  await there.waitForURL('**/sign-in');
  await here.goto('/account');
  await here.waitForURL('**/sign-in?returnTo=%2Faccount');
});
