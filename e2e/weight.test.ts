import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { expectSound, openSite, type Site } from './browser.ts';
import { makeOrganization, signUp } from './people.ts';

const SCRIPT_BUDGET = 200_000;
let site: Site;
let page: Page;

beforeAll(async () => {
  site = await openSite();
  page = await site.newVisitor();
  await signUp(page, 'ada@example.com');
  await makeOrganization(page, 'Engines');
  await page.getByRole('button', { name: /Start from scratch/ }).click();
  await page.getByRole('heading', { name: 'Untitled workflow' }).waitFor();
});
afterAll(() => site?.close());

it('the signed-in list of workflows loads little script, compressed by brotli', async () => {
  await page.goto('/orgs/engines/workflows');
  await page.getByRole('list', { name: 'Workflows' }).waitFor();
  await page.waitForLoadState('networkidle');
  const scripts = await loadedScripts();
  const bytes = scripts.reduce((sum, { encoded }) => sum + encoded, 0);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(SCRIPT_BUDGET);
  const headers = await page.evaluate<string | null>(
    `fetch('${scripts[0]?.name}').then((answer) => answer.headers.get('content-encoding'))`,
  );
  expect(headers).toBe('br');
  reportFigure('First load of the workflow list', `${Math.round(bytes / 1000)} kB of compressed script`);
});

it('a menu comes with its first opening, by keys as by the mouse', async () => {
  await page.goto('/orgs/engines/workflows');
  const button = page.getByRole('button', { name: 'Account menu' });
  const focused = () => page.evaluate<string>('document.activeElement?.textContent?.trim() ?? ""');
  await button.waitFor();
  expect(await button.getAttribute('aria-haspopup')).toBe('menu');
  await button.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menu').waitFor();
  await expect.poll(focused).toBe('Your account');
  await page.keyboard.press('ArrowDown');
  await expect.poll(focused).toBe('Light');
  await expectSound(page);
  await page.keyboard.press('Escape');
  await page.getByRole('menu').waitFor({ state: 'detached' });
  // The whole page has the address in it too, and has the focus for a moment.
  await expect.poll(focused).toMatch(/^Account menu/);
  await page.keyboard.press('ArrowDown');
  await expect.poll(focused).toBe('Your account');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Organization:/ }).click();
  await page.getByRole('menuitem', { name: 'New organization' }).click();
  await page.waitForURL('**/new-organization');
});

interface LoadedScript {
  name: string;
  encoded: number;
}

function loadedScripts(): Promise<LoadedScript[]> {
  return page.evaluate(`performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
    .map(({ name, encodedBodySize }) => ({ name: new URL(name).pathname, encoded: encodedBodySize }))`);
}
