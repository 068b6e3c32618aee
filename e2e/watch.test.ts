import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite, photograph, type Site } from './browser.ts';
import { makeOrganization, signUp } from './people.ts';

let site: Site;
let page: Page;

beforeAll(async () => {
  site = await openSite();
  page = await site.newVisitor();
  await signUp(page, 'ada@example.com');
  await makeOrganization(page, 'Engines');
});
afterAll(() => site?.close());

it('a document is edited as JSON with its problems beside it, saved, published and run', async () => {
  await page.getByRole('button', { name: /Start from scratch/ }).click();
  await page.getByRole('heading', { name: 'Untitled workflow' }).waitFor();
  await page.getByText('No problems').waitFor();
  await type(
    '{ "version": "v2", "trigger": { "type": "trigger.manual" }, "nodes": [{ "id": "a", "type": "transfrom" }] }',
  );
  await page.getByRole('list', { name: 'Problems' }).getByText('nodes[0].type').waitFor();
  expect(await page.getByRole('button', { name: 'Publish', exact: true }).isDisabled()).toBe(true);
  await photograph(page, 'editor-problems');
  await type(JSON.stringify({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [BROKEN_STEP] }, null, 2));
  await page.getByText('No problems').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await publishAndRun('{ "n": 21 }');
  await page.getByText('It broke on purpose.').first().waitFor();
  await page.getByText('a: failed').waitFor();
  await photograph(page, 'run-failed');
  const first = page.url();
  await page.getByRole('button', { name: 'Retry from here' }).click();
  await page.waitForURL((url) => url.href !== first);
  await page.getByText('It broke on purpose.').first().waitFor();
});

it('two people who edit the same document hear of each other, and neither loses work unasked', async () => {
  await page.getByRole('link', { name: 'Workflow', exact: true }).click();
  await page.getByRole('button', { name: 'More actions' }).waitFor();
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByText('No problems').waitFor();
  await type('{ "mine": true }');
  await type('{ "theirs": true }', other);
  await other.getByRole('button', { name: 'Save' }).click();
  await other.getByText('Saved.').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog', { name: 'Somebody else saved meanwhile' }).waitFor();
  await page.getByRole('button', { name: 'Discard mine, show theirs' }).click();
  await page.locator('.cm-content').getByText('theirs').waitFor();
  await other.close();
});

it('steps change on the screen by the timeline alone, and a waiting run is decided, or cancelled', async () => {
  await page.goto('/orgs/engines/workflows');
  await page.getByRole('link', { name: 'Untitled workflow' }).waitFor();
  await page.getByText('Failed').waitFor();
  await page.getByRole('button', { name: 'New workflow' }).click();
  await page.locator('.cm-content').waitFor();
  await type(JSON.stringify(ASKING, null, 2));
  await page.getByText('No problems').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await publishAndRun('{ "price": 900 }');
  const step = page.getByRole('list', { name: 'Steps' }).getByRole('listitem').filter({ hasText: 'ask' });
  await step.getByText('Waiting').waitFor();
  await photograph(page, 'run-waiting');

  // Nothing but the stream may tell: every reading of the run is refused from here on.
  await page.route(/\/runs\/[0-9a-f-]{36}$/, (route) =>
    route.request().method() === 'GET' ? route.abort() : route.continue(),
  );
  await step.getByRole('button', { name: 'Approve' }).click();
  await step.getByText('Succeeded').waitFor();
  await page.getByRole('list', { name: 'Timeline' }).getByText('Run succeeded').waitFor();
  await page.unroute(/\/runs\/[0-9a-f-]{36}$/);
  await page.reload();
  const first = page.url();
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((url) => url.href !== first);
  await step.getByText('Waiting').waitFor();
  await page.getByRole('tree', { name: 'Input of the run' }).getByText('price: 900').waitFor();

  await page.getByRole('link', { name: 'Workflow', exact: true }).click();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('button', { name: 'Start run' }).click();
  await page.getByRole('list', { name: 'Steps' }).getByText('Waiting', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('main').getByText('Cancelled').first().waitFor();
});

it('runs are found by status and words, page by page', async () => {
  await page.goto('/orgs/engines/runs');
  const list = page.getByRole('list', { name: 'Runs' });
  await expect.poll(() => list.getByRole('listitem').count()).toBe(5);
  await photograph(page, 'runs');
  await page.getByRole('combobox', { name: 'Run status' }).selectOption('cancelled');
  await expect.poll(() => list.getByRole('listitem').count()).toBe(1);
  await page.getByRole('combobox', { name: 'Run status' }).selectOption('running');
  await page.getByRole('heading', { name: 'No run fits' }).waitFor();
});

it('the signed-in list of workflows can be searched', async () => {
  await page.goto('/orgs/engines/workflows');
  await page.getByRole('list', { name: 'Workflows' }).waitFor();
  await photograph(page, 'workflows');
  await page.getByRole('searchbox', { name: 'Search workflows' }).fill('nothing like this');
  await page.getByRole('heading', { name: 'No workflow fits' }).waitFor();
});

const BROKEN_STEP = { id: 'a', type: 'fail', config: { code: 'ON_PURPOSE', message: 'It broke on purpose.' } };
const ASKING = {
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'ask', type: 'approval', config: { by: 'member', note: 'May it?' } },
    { id: 'done', type: 'transform', config: { value: 'done' } },
  ],
  edges: [{ from: 'ask', to: 'done', branch: 'approved' }],
};

/** Replaces the document by what a person would paste. */
async function type(text: string, where: Page = page): Promise<void> {
  await where.locator('.cm-content').click();
  await where.keyboard.press('ControlOrMeta+a');
  await where.keyboard.insertText(text);
}

async function publishAndRun(input: string): Promise<void> {
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Publish' }).click();
  await page.getByText(/Version \d+ is published/).waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByLabel('Input').fill(input);
  await page.getByRole('button', { name: 'Start run' }).click();
  await page.waitForURL('**/runs/*');
}
