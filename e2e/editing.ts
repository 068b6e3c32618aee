import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** A workflow with one step, open in the editor. */
export async function newWorkflow(page: Page): Promise<void> {
  await page.goto('/orgs/engines/workflows');
  await page
    .getByRole('button', { name: /Start from scratch|New workflow/ })
    .first()
    .click();
  await page.waitForURL(/\/workflows\/[0-9a-f-]{36}$/);
  await page.goto(`${page.url()}/edit`);
}

/** Where something is once the canvas has come to rest. */
export async function stillBox(locator: Locator) {
  let last = '';
  const isStill = async () => {
    const now = JSON.stringify(await locator.boundingBox());
    const isSame = now === last;
    last = now;
    return isSame;
  };
  await expect.poll(isStill, { interval: 300 }).toBe(true);
  return locator.boundingBox();
}
