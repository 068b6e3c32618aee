import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectSound, openSite, type Site } from './browser.ts';
import { makeOrganization, signUp } from './people.ts';

const DESK = { width: 1440, height: 900 };
let site: Site;
let page: Page;

beforeAll(async () => {
  site = await openSite();
  page = await site.newVisitor({ viewport: DESK });
  if (process.env.EDITOR_DEV) page.setDefaultTimeout(12_000);
  await signUp(page, 'ada@example.com');
  await makeOrganization(page, 'Engines');
});
afterAll(async () => {
  if (process.env.EDITOR_DEV) await page.screenshot({ path: 'e2e/screens/last.png' });
  await site?.close();
});

it('six steps with branches are built by mouse and keyboard, checked, published and run', async () => {
  await newWorkflow();
  await step('answer').waitFor();
  await photographDesk('editor-first');

  // A step by the list of commands, with the keyboard alone.
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('condition');
  await page.keyboard.press('Enter');
  await step('check').waitFor();
  await write('If', '$trigger.input.total > 100');
  await page.getByText('= null').waitFor();
  // One by the "+" of a branch, one dragged onto the canvas, and a line drawn to it.
  await page.getByRole('button', { name: 'Add a step after check, branch true' }).click();
  await photographDesk('editor-commands');
  await page.getByRole('dialog').getByText('Transform').click();
  await step('value').waitFor();
  await write('Value', 'large');
  await page.getByRole('button', { name: 'Transform', exact: true }).dragTo(page.locator('.react-flow__pane'), {
    targetPosition: { x: 640, y: 560 },
  });
  await step('value2').waitFor();
  await write('Value', 'small: {% $steps.answer.output.total %}');
  await page.getByText('No sample of answer').waitFor();
  await draw(handle('check', 'false'), target('value2'));
  // One by pressing the rail, joined by drawing, and the last one by the "+" on an edge.
  await step('value').click();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await step('join').waitFor();
  await page.getByRole('button', { name: 'Fit View' }).click();
  await draw(handle('value2', 'next'), target('join'));
  await page.getByRole('button', { name: 'Publish', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Add a step after join' }).click();
  await page.getByRole('combobox').fill('transform');
  await page.keyboard.press('Enter');
  await step('value3').waitFor();
  await write('Value', '{% $steps.value.output ?? $steps.value2.output %}');
  await page.getByRole('button', { name: 'Arrange' }).click();
  await photographDesk('editor-six');

  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await page.getByLabel('Note').fill('Six steps');
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  await page.getByText('Version 1 is published.').waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByLabel('Input').fill('{ "total": 7 }');
  await page.getByRole('button', { name: 'Start run' }).click();
  await page.waitForURL('**/runs/*');
  await page.getByText('small: 7').first().waitFor();
});

async function newWorkflow(): Promise<void> {
  await page.goto('/orgs/engines/workflows');
  await page.getByRole('button', { name: /Start from scratch|New workflow/ }).first().click();
  await page.waitForURL(/\/workflows\/[0-9a-f-]{36}$/);
  await page.goto(`${page.url()}/edit`);
}

const handle = (id: string, branch: string) => step(id).locator(`.react-flow__handle[data-handleid="${branch}"]`);
const target = (id: string) => step(id).locator('.react-flow__handle.target');

/** Draws a line from one handle to another, in steps as a hand does. */
async function draw(from: Locator, to: Locator): Promise<void> {
  const [start, end] = [await from.boundingBox(), await to.boundingBox()];
  if (!start || !end) throw new Error('both handles must be on the screen');
  await page.mouse.move(start.x + start.width / 2, start.y + start.height / 2);
  await page.mouse.down();
  await page.mouse.move(end.x + end.width / 2, end.y + end.height / 2, { steps: 8 });
  await page.mouse.up();
}

const step = (id: string) => page.locator(`.react-flow__node[data-id="${id}"]`);

/** Types into a code field as a person does who replaces what is there. */
async function write(label: string, text: string): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type(text);
  await page.keyboard.press('Escape');
}

async function photographDesk(name: string): Promise<void> {
  const folder = join(import.meta.dirname, 'screens');
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
  }
  await expectSound(page);
}
