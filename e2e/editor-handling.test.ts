import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectSound, openSite, type Site } from './browser.ts';
import { newWorkflow, stillBox } from './editing.ts';
import { makeOrganization, signUp } from './people.ts';

const DESK = { width: 1440, height: 900 };
const SCREENS = join(import.meta.dirname, 'screens');
let site: Site;
let page: Page;

beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true });
  site = await openSite();
  page = await site.newVisitor({ viewport: DESK });
  await signUp(page, 'ada@example.com');
  await makeOrganization(page, 'Engines');
});
afterAll(() => site?.close());

it('a step dropped on an edge goes between the two, a new one as one that is there, and undo takes it back', async () => {
  await newWorkflow(page);
  await step('answer').waitFor();
  await page.getByRole('button', { name: 'Delay', exact: true }).click();
  await edge('answer', 'wait').waitFor();
  // From the rail.
  const onEdge = await middleOf('answer', 'wait');
  await startDrag('Transform', onEdge);
  await highlighted().waitFor({ state: 'attached' }); // a straight line has no width
  await photograph('editor-drop');
  await page.mouse.up();
  await edge('answer', 'value').waitFor();
  await edge('value', 'wait').waitFor();
  expect(await highlighted().count()).toBe(0);
  expect(await edge('answer', 'wait').count()).toBe(0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await edge('answer', 'wait').waitFor();
  await step('value').waitFor({ state: 'detached' });

  // One that was put down loose.
  const pane = await page.locator('.react-flow__pane').boundingBox();
  if (!pane) throw new Error('the canvas must be on the screen');
  await startDrag('Fail', { x: pane.x + 130, y: pane.y + 140 });
  expect(await highlighted().count()).toBe(0);
  await page.mouse.up();
  await step('fail').waitFor();
  expect(await edge('fail', 'wait').count()).toBe(0);
  const [card, target] = [await stillBox(step('fail')), await middleOf('answer', 'wait')];
  if (!card) throw new Error('the step must be on the screen');
  await page.mouse.move(card.x + 60, card.y + 20);
  await page.mouse.down();
  await page.mouse.move(target.x, target.y, { steps: 12 });
  await highlighted().waitFor({ state: 'attached' }); // a straight line has no width
  await page.mouse.up();
  await edge('answer', 'fail').waitFor();
  await edge('fail', 'wait').waitFor();
  await page.keyboard.press('ControlOrMeta+z');
  await edge('answer', 'wait').waitFor();
  await step('fail').waitFor();
  // A step that is connected is only moved.
  const wait = await stillBox(step('wait'));
  if (!wait) throw new Error('the step must be on the screen');
  await page.mouse.move(wait.x + 60, wait.y + 20);
  await page.mouse.down();
  await page.mouse.move(wait.x + 60, wait.y - 40, { steps: 8 });
  expect(await highlighted().count()).toBe(0);
  await page.mouse.up();
  await edge('answer', 'wait').waitFor();
  await expectSound(page);
});

it('a step in a loop is tried from its panel with an item that somebody gives, which its expressions show too', async () => {
  await newWorkflow(page);
  await step('answer').waitFor();
  await page.getByRole('button', { name: 'For each', exact: true }).click();
  await page.getByRole('button', { name: 'Open the steps of each' }).click();
  await step('eachStep').click();
  await write('Value', '{% $item.price * 2 %}');
  await page.getByLabel('Item of each').fill('{ "price": 21 }');
  await page.getByText('= 42').waitFor();
  await page.getByRole('button', { name: 'Test step' }).click();
  await page.getByText(/Took \d+ ms/).waitFor();
  await page.getByLabel('Details').getByText('42', { exact: true }).waitFor();
  await photograph('editor-body-test');
  await page.getByLabel('Item of each').fill('{ "price": ');
  await page.getByText('This is not JSON.').waitFor();
});

it('a phone shows the workflow and its steps, says that editing needs a wider screen, and offers no change', async () => {
  await newWorkflow(page);
  await step('answer').waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByText('Editing needs a wider screen.').waitFor();
  await step('answer').click();
  const field = page.getByRole('textbox', { name: 'Value', exact: true });
  await field.waitFor();
  expect(await page.getByRole('button', { name: /Add a step|Undo|Delete|Test step/ }).count()).toBe(0);
  await step('answer').focus();
  await page.keyboard.press('Delete');
  expect(await step('answer').count()).toBe(1);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  await photograph('editor-phone');
  await page.setViewportSize(DESK);
  await page.getByText('Editing needs a wider screen.').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Test step' }).waitFor();
});

it('an expression that never ends, or holds too much, leaves the page at work and is told about', async () => {
  await newWorkflow(page);
  await step('answer').click();
  await write('Value', '{% ($f := function($n) { $f($n + 1) }; $f(0)) %}');
  await watchPauses();
  await page.getByText('took too long').waitFor();
  expect(await longestPause()).toBeLessThan(LONGEST_PAUSE_MS);
  await write('Value', '{% $map([1..100000], function($v) { $sum([1..100000]) })[0] %}');
  await page.getByText(/took too long|takes too long/).waitFor();
  await photograph('editor-hostile');
  await page.getByRole('textbox', { name: 'Value', exact: true }).click();
  await page.keyboard.press('ControlOrMeta+a');
  await watchPauses();
  await page.keyboard.insertText(`{% ${'('.repeat(3_000)}1 %}`);
  await page.getByRole('tab', { name: 'Problems' }).waitFor();
  await page.getByText('Saved', { exact: true }).waitFor();
  expect(await longestPause()).toBeLessThan(LONGEST_PAUSE_MS);
  await write('Value', '{% 20 + 1 %}');
  await page.getByText('= 21').waitFor();
  await expectSound(page);
});

/** A page that an expression froze would stand still for as long as the expression runs: for ever, or until it is ended. */
const LONGEST_PAUSE_MS = 2_000;

/** Counts how long the page's own thread could do nothing, from now on. */
async function watchPauses(): Promise<void> {
  await page.evaluate(`(() => {
    window.longestPause = 0;
    let last = performance.now();
    clearInterval(window.pauseTimer);
    window.pauseTimer = setInterval(() => {
      const now = performance.now();
      window.longestPause = Math.max(window.longestPause, now - last);
      last = now;
    }, 10);
  })()`);
}

function longestPause(): Promise<number> {
  return page.evaluate('window.longestPause');
}

const step = (id: string) => page.locator(`.react-flow__node[data-id="${id}"]`);
const edge = (from: string, to: string) =>
  page.getByRole('button', { name: `Add a step between ${from} and ${to}`, exact: true });
const highlighted = () => page.locator('.react-flow__edge-path.is-drop-target');

/** Beside the "+" in the middle of an edge, where only the line is. */
async function middleOf(from: string, to: string) {
  const box = await stillBox(edge(from, to));
  if (!box) throw new Error('the edge must be on the screen');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Drags a kind of the rail over a point, and does not let go. */
async function startDrag(kind: string, { x, y }: { x: number; y: number }): Promise<void> {
  await page.getByRole('button', { name: kind, exact: true }).hover();
  await page.mouse.down();
  await page.mouse.move(x - 30, y - 30, { steps: 4 });
  // The browser says where a drag is only once it moves within what it entered.
  await page.mouse.move(x, y, { steps: 4 });
  await page.mouse.move(x, y + 3, { steps: 3 });
}

async function write(label: string, text: string): Promise<void> {
  await page.getByRole('textbox', { name: label, exact: true }).click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Escape');
}

async function photograph(name: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(SCREENS, `${name}-${colorScheme}.png`) });
  }
}
