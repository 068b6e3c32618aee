import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { expectSound, openSite, type Site } from './browser.ts';
import { newWorkflow, stillBox } from './editing.ts';
import { makeOrganization, signIn, signUp } from './people.ts';

const DESK = { width: 1440, height: 900 };
let site: Site;
let page: Page;

beforeAll(async () => {
  site = await openSite();
  page = await site.newVisitor({ viewport: DESK });
  await signUp(page, 'ada@example.com');
  await makeOrganization(page, 'Engines');
});
afterAll(() => site?.close());

it('six steps with branches are built by mouse and keyboard, checked, published and run', async () => {
  await newWorkflow(page);
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
  await page.getByRole('button', { name: 'Add a step between check and value2' }).waitFor();
  // One by pressing the rail, joined by drawing, and the last one by the "+" on an edge.
  await step('value').click();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await step('join').waitFor();
  await page.getByRole('button', { name: 'Fit View' }).click();
  await draw(handle('value2', 'next'), target('join'));
  await page.getByRole('button', { name: 'Add a step between value2 and join' }).waitFor();
  await page.getByRole('button', { name: 'Publish', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Add a step after join' }).click();
  await page.getByRole('combobox').fill('transform');
  await page.keyboard.press('Enter');
  await step('value3').waitFor();
  await write('Value', '{% $steps.value.output ?? $steps.value2.output %}');
  await page.getByRole('button', { name: 'Arrange' }).click();
  await photographDesk('editor-six');

  await publish('Six steps');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByLabel('Input', { exact: true }).fill('{ "total": 7 }');
  await page.getByRole('button', { name: 'Start run' }).click();
  await page.waitForURL('**/runs/*');
  await page.getByRole('list', { name: 'Timeline' }).getByText('Run succeeded').waitFor();
  await page.getByText('small: 7').filter({ visible: true }).first().waitFor();
});

it('a step is tried with sample data, its output is pinned, and later expressions are completed and shown by it', async () => {
  await newWorkflow(page);
  await step('answer').click();
  await page.getByLabel('Trigger input').fill('{ "order": { "total": 42, "customer": "Ada" } }');
  await page.getByText('= {"order"').waitFor();
  await page.getByRole('button', { name: 'Test step' }).click();
  await page.getByText(/Took \d+ ms/).waitFor();
  await page.getByRole('button', { name: 'Pin output' }).click();
  await step('answer').getByLabel('Output pinned').waitFor();
  await page.getByRole('button', { name: 'Transform', exact: true }).click();
  await step('value').waitFor();
  const field = page.getByRole('textbox', { name: 'Value', exact: true });
  await field.click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('{% $steps.answer.output.order.t');
  await page.getByRole('option', { name: /total/ }).waitFor();
  await photographDesk('editor-completion');
  await page.keyboard.press('Enter');
  await page.keyboard.type(' * 2 %}');
  await page.getByText('= 84').waitFor();
  await write('Value', '{% $steps.answer.output.order.total * %}');
  await page
    .getByText(/position/)
    .first()
    .waitFor();
});

it('a problem leads to its field, and goes when it is mended', async () => {
  await newWorkflow(page);
  await step('answer').click();
  await page.getByRole('button', { name: 'HTTP request', exact: true }).click();
  await step('request').waitFor();
  await page.getByRole('tab', { name: /Problems/ }).click();
  await photographDesk('editor-problems');
  await page.getByRole('list', { name: 'Problems' }).getByRole('button').first().click();
  await expect.poll(() => page.evaluate('document.activeElement?.getAttribute("aria-label")')).toBe('URL');
  await page.keyboard.type('https://example.com/');
  await page.getByRole('button', { name: 'Publish', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Add to headers' }).click();
  await page.getByLabel('Headers: name 1').fill('x-order');
  await page.getByLabel('Headers: value 1').fill('{% $trigger.input.id %}');
  await page.getByText('Saved', { exact: true }).waitFor();
  await photographDesk('editor-request');
});

it('a trigger, cases and repeated attempts are set up by fields that their schemas ask for', async () => {
  await newWorkflow(page);
  await page.locator('.react-flow__node[data-id="$trigger"]').click();
  await page.getByLabel('Starts').selectOption({ label: 'Schedule' });
  await page.getByText('This is required.').waitFor();
  await page.getByRole('textbox', { name: 'Schedule' }).fill('*/15 * * * *');
  await page.getByRole('button', { name: 'Publish', exact: true }).waitFor();
  await page.locator('.react-flow__node[data-id="$trigger"]').getByText('*/15 * * * *').waitFor();
  await step('answer').click();
  await page.getByRole('button', { name: 'Switch', exact: true }).click();
  await step('choose').waitFor();
  await page.getByRole('button', { name: 'Add to cases' }).click();
  await page.getByLabel('Name 2').fill('second');
  await write('If 2', '$trigger.at > "2026"');
  await step('choose').getByText('first, second').waitFor();
  await page.getByRole('button', { name: 'Add a step after choose, branch second' }).waitFor();
  await page.getByText('Name, retries and failure').click();
  await page.getByLabel('Attempts').fill('3');
  await page.getByLabel('When it fails').selectOption('branch');
  await page.getByRole('button', { name: 'Add a step after choose, branch error' }).waitFor();
  await photographDesk('editor-switch');
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.locator('.json-editor .cm-content').getByText('"maxAttempts"').waitFor();
});

it('steps are copied, pasted, deleted and brought back by keys, and inside a loop too', async () => {
  await newWorkflow(page);
  await page.getByRole('button', { name: 'For each', exact: true }).click();
  await step('each').waitFor();
  await step('each').click();
  await page.keyboard.press('ControlOrMeta+c');
  await page.keyboard.press('ControlOrMeta+v');
  await step('each2').waitFor();
  await page.keyboard.press('Delete');
  await step('each2').waitFor({ state: 'detached' });
  await page.keyboard.press('ControlOrMeta+z');
  await step('each2').waitFor();
  await page.keyboard.press('ControlOrMeta+Shift+z');
  await step('each2').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Open the steps of each' }).click();
  await step('eachStep').waitFor();
  await step('answer').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Transform', exact: true }).click();
  await step('value').waitFor();
  await photographDesk('editor-loop');
  const parts = page.getByRole('navigation', { name: 'Part of the workflow' });
  await parts.getByRole('button', { name: 'Workflow' }).click();
  await step('each').getByText('2 steps inside').waitFor();
  await parts.getByRole('button', { name: 'After a failure' }).click();
  await page.getByRole('button', { name: 'Transform', exact: true }).click();
  await step('value2').waitFor();
});

it('the document is edited as JSON beside the canvas, both ways, and travels as a file', async () => {
  await newWorkflow(page);
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.locator('.json-editor .cm-content').getByText('answer').waitFor();
  await page.getByRole('button', { name: 'Delay', exact: true }).click();
  await page.locator('.json-editor .cm-content').getByText('PT1M').waitFor();
  await page.locator('.json-editor .cm-content').click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(JSON.stringify(TYPED));
  await step('typed').waitFor();
  await step('answer').waitFor({ state: 'detached' });
  await photographDesk('editor-json');
  await page.getByRole('button', { name: 'More actions' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Export a file' }).click();
  const file = await (await download).path();
  expect((await download).suggestedFilename()).toBe('untitled-workflow.json');
  await page.locator('.react-flow__pane').click({ position: { x: 400, y: 30 } });
  await page.keyboard.press('ControlOrMeta+z');
  await step('answer').waitFor();
  await page.getByLabel('File to import').setInputFiles(file);
  await step('typed').waitFor();
});

it('versions are compared and restored, and a restored one can be taken back', async () => {
  await newWorkflow(page);
  await publish('The first one');
  await page.getByRole('button', { name: 'Fail', exact: true }).click();
  await step('fail').waitFor();
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.getByRole('tab', { name: 'Versions' }).click();
  await page.getByRole('button', { name: 'Compare version 1' }).click();
  await page.locator('.diff-view .cm-insertedLine, .diff-view .cm-changedLine').first().waitFor();
  await photographDesk('editor-difference');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Restore version 1' }).click();
  await step('fail').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await step('fail').waitFor();
  await page.getByText('Saved', { exact: true }).waitFor();
});

it('two browsers that edit the same workflow hear of each other, and neither loses work unasked', async () => {
  await newWorkflow(page);
  const other = await site.newVisitor({ viewport: DESK });
  await signIn(other, 'ada@example.com');
  await other.goto(page.url());
  await other.locator('.react-flow__node[data-id="answer"]').waitFor();
  await page.getByRole('button', { name: 'Delay', exact: true }).click();
  await page.getByText('Saved', { exact: true }).waitFor();
  await other.getByRole('button', { name: 'Fail', exact: true }).click();
  const dialog = other.getByRole('dialog', { name: 'Somebody else saved meanwhile' });
  await dialog.getByRole('button', { name: 'See difference' }).click();
  await dialog.locator('.cm-content').getByText('"wait"').first().waitFor();
  await other.screenshot({ path: join(import.meta.dirname, 'screens', 'editor-conflict.png') });
  await dialog.getByRole('button', { name: 'Keep mine' }).click();
  await other.getByText('Saved', { exact: true }).waitFor();
  // Whoever changed nothing since is shown what was saved; whoever did is asked, and may take it over.
  await page.getByRole('button', { name: 'Delay', exact: true }).click();
  await page.getByRole('button', { name: 'Take theirs' }).click();
  await step('fail').waitFor();
  await step('wait').waitFor({ state: 'detached' });
  await expectSound(other);
  await other.context().close();
});

it('a step is moved by arrow keys, stays where it was put, and can be connected without a mouse', async () => {
  await newWorkflow(page);
  await page.getByRole('button', { name: 'Delay', exact: true }).click();
  await step('wait').waitFor();
  await step('answer').focus();
  await page.keyboard.press('Enter');
  const place = async () => /translate\([^)]*\)/.exec((await step('answer').getAttribute('style')) ?? '')?.[0];
  const before = await place();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect.poll(place).not.toBe(before);
  const moved = await place();
  await page.getByRole('button', { name: 'Disconnect wait from next' }).press('Enter');
  await page.getByRole('combobox', { name: 'Connect next to' }).selectOption('wait');
  await page.getByRole('button', { name: 'Disconnect wait from next' }).waitFor();
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.reload();
  await step('wait').waitFor();
  expect(await place()).toBe(moved);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  await page.setViewportSize(DESK);
});

it('whoever may only look sees everything and is offered no change', async () => {
  await newWorkflow(page);
  await step('answer').waitFor();
  const address = page.url();
  await page.goto('/orgs/engines/members');
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByLabel('E-mail address').fill('grace@example.com');
  await page.getByRole('button', { name: 'Send invitation' }).click();
  const grace = await site.newVisitor({ viewport: DESK });
  await signUp(grace, 'grace@example.com');
  await grace.goto(await site.mailedLink('grace@example.com', /^Join/));
  await grace.getByRole('button', { name: 'Accept the invitation' }).click();
  await grace.waitForURL('**/orgs/engines/workflows');
  await grace.goto(address);
  await grace.getByText('View only').waitFor();
  await grace.locator('.react-flow__node[data-id="answer"]').click();
  const field = grace.getByRole('textbox', { name: 'Value', exact: true });
  await field.click();
  await grace.keyboard.type('changed');
  expect(await field.textContent()).toBe('{% $trigger.input %}');
  await grace.locator('.react-flow__node[data-id="answer"]').focus();
  await grace.keyboard.press('Delete');
  expect(await grace.locator('.react-flow__node[data-id="answer"]').count()).toBe(1);
  expect(await grace.getByRole('button', { name: /Add a step|Publish|Undo|Delete|Test step/ }).count()).toBe(0);
  await expectSound(grace);
});

it('one of 200 steps is dragged without the others, in little time', async () => {
  const ids = Array.from({ length: 200 }, (_, index) => `s${index}`);
  const nodes = ids.map((id) => ({ id, type: 'transform', config: { value: id } }));
  const edges = ids.slice(COLUMNS).map((to, index) => ({ from: ids[index] ?? '', to }));
  await newWorkflow(page);
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.locator('.json-editor .cm-content').click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(JSON.stringify({ ...TYPED, nodes, edges }));
  await step('s199').waitFor();
  await page.getByRole('tab', { name: 'Step' }).click();
  await page.getByRole('button', { name: 'Arrange' }).click();
  await page.getByText('Saved', { exact: true }).waitFor();
  await photographDesk('editor-200');
  const { p95, rendered } = await dragAndMeasure('s100');
  expect(rendered).toEqual(['s100']);
  expect(p95).toBeLessThanOrEqual(MOVE_BUDGET_MS);
  reportFigure('Dragging one of 200 steps', `${p95.toFixed(1)} ms of script for a pointer move (p95), 1 step rendered`);
});

const MOVE_BUDGET_MS = 8;
const COLUMNS = 8;
const TYPED = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [{ id: 'typed', type: 'transform', config: { value: 1 } }],
};

/** Which steps were rendered while one was dragged, and the time in scripts that each move took. */
async function dragAndMeasure(id: string): Promise<{ p95: number; rendered: string[] }> {
  const session = await page.context().newCDPSession(page);
  // The time that its thread was busy: a machine that does other things as well says nothing about the page.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const scriptMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? 0);
  };
  const renders = () =>
    page.evaluate<Record<string, number>>(`Object.fromEntries([...document.querySelectorAll('.react-flow__node')].map(
      (node) => [node.dataset.id, Number(node.querySelector('[data-renders]').dataset.renders)]))`);
  const box = await stillBox(step(id));
  if (!box) throw new Error('the step must be on the screen');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 5, box.y + box.height / 2 + 5, { steps: 3 });
  const before = await renders();
  const times: number[] = [];
  for (let move = 1; move <= 100; move += 1) {
    const start = await scriptMs();
    await page.mouse.move(box.x + box.width / 2 + 5 + move, box.y + box.height / 2 + 5 + (move % 7));
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    times.push((await scriptMs()) - start);
  }
  const after = await renders();
  await page.mouse.up();
  const rendered = Object.keys(after).filter((key) => after[key] !== before[key]);
  return { p95: times.toSorted((one, other) => one - other)[94] ?? 0, rendered };
}

async function publish(note: string): Promise<void> {
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await page.getByLabel('Note').fill(note);
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  await page
    .getByText(/Version \d+ is published/)
    .first()
    .waitFor();
}

const handle = (id: string, branch: string) => step(id).locator(`.react-flow__handle[data-handleid="${branch}"]`);
const target = (id: string) => step(id).locator('.react-flow__handle.target');

/** Draws a line from one handle to another, in steps as a hand does. */
async function draw(from: Locator, to: Locator): Promise<void> {
  const [start, end] = [await stillBox(from), await stillBox(to)];
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
