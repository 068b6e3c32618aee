import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { openSite, photograph, type Site } from './browser.ts';
import { signIn } from './people.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** The canvas of a run: its workflow, with how each step stands. */

let site: Site;
let page: Page;
let client: Client;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
  site = await openSite({ EGRESS_ALLOW_CIDRS: receiver.egress });
  client = await signUp(site.api.url);
  page = await site.newVisitor();
  await signIn(page, client.credentials.email, client.credentials.password);
});
afterAll(async () => {
  await site?.close();
  receiver?.close();
});

const call = (id: string, path: string) => ({
  ...{ id, type: 'http.request', config: { method: 'GET', url: `${receiver.url}${path}` } },
});
const value = (id: string, of: unknown) => ({ id, type: 'transform', config: { value: of } });
/** Goes one of two ways, calls for each item, and fails in the end. */
const branching = () => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'ask', type: 'approval', config: { by: 'member', note: 'Shall it go on?' } },
    { id: 'check', type: 'condition', config: { if: '{% $trigger.input.price > 100 %}' } },
    value('cheap', 'nothing to do'),
    {
      id: 'each',
      type: 'foreach',
      config: {
        items: '{% [1, 2, 3] %}',
        concurrency: 1,
        body: { nodes: [call('send', '/fast'), value('note', 'sent')] },
      },
    },
    { id: 'stop', type: 'fail', config: { code: 'TOO_DEAR', message: 'It costs too much.' } },
  ],
  edges: [
    { from: 'ask', to: 'check', branch: 'approved' },
    { from: 'check', to: 'each', branch: 'true' },
    { from: 'check', to: 'cheap', branch: 'false' },
    { from: 'each', to: 'stop' },
  ],
});

const canvas = (): Locator => page.getByRole('region', { name: 'Canvas' });
const node = (id: string): Locator => canvas().locator(`.react-flow__node[data-id="${id}"]`);
const card = (id: string): Locator =>
  page
    .getByRole('list', { name: 'Steps' })
    .getByRole('listitem')
    .filter({ has: page.locator('summary', { hasText: new RegExp(`^${id.replaceAll('.', '\\.')} `) }) });
const edge = (words: string): Locator => canvas().getByRole('img', { name: words, exact: true });
const READINGS = /\/runs\/[0-9a-f-]{36}(\/standing)?$/;

it('steps change on the canvas by the stream alone, down to those inside of a loop and the way that was taken', async () => {
  const runs = await publish(client, 'Branching', branching());
  const { run } = await client.call('POST', runs, { input: { price: 900 } });
  const slug = new URL(page.url()).pathname.split('/')[2];
  // Another version is published since; the run's own is shown.
  const workflow = runs.replace(/\/runs$/, '');
  const other = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [value('other', 1)] };
  await client.call('PATCH', workflow, { dsl: other, revision: 1 });
  await client.call('POST', `${workflow}/publish`, {});
  await page.goto(`/orgs/${slug}${runs}/${run?.id}`);
  await node('ask').getByText('Waiting').waitFor();
  await node('check').getByText('Pending').waitFor();
  await page.evaluate('window.isSamePage = true');
  await page.route(READINGS, (route) => (route.request().method() === 'GET' ? route.abort() : route.continue()));
  await page.getByRole('button', { name: 'Approve' }).click();
  await node('ask').getByText('Succeeded').waitFor();
  await node('check').getByText('Succeeded').waitFor();
  await node('each')
    .getByText(/^Succeeded, 3 (of 3 )?done$/)
    .waitFor();
  await node('stop').getByText('Failed').waitFor();
  await node('cheap').getByText('Skipped').waitFor();
  await edge('From check to each, branch true, taken').waitFor({ state: 'attached' });
  await edge('From check to cheap, branch false, not taken').waitFor({ state: 'attached' });
  await page.unroute(READINGS);
  expect(await page.evaluate('window.isSamePage')).toBe(true);
  await photograph(page, 'run-canvas');
});

it('a node leads to the card of its step, by mouse and by keys, and an opened card is marked on the canvas', async () => {
  await page.reload();
  await node('stop').click();
  await card('stop').getByRole('region', { name: 'Input of stop' }).waitFor();
  expect(await page.evaluate<string>('document.activeElement?.textContent ?? ""')).toMatch(/^stop /);
  await expect.poll(() => isInView(card('stop'))).toBe(true);
  await node('check').focus();
  await page.keyboard.press('Enter');
  await card('check').getByRole('tree', { name: 'Output of check' }).getByText('true').waitFor();
  await card('ask').locator('summary').click();
  await expect.poll(() => node('ask').getAttribute('class')).toContain('selected');
  await page.evaluate('window.scrollTo(0, 0)');
  await photograph(page, 'run-canvas-selected');
});

it('the steps inside of a loop have a canvas of their own, with how many iterations are done', async () => {
  await canvas().getByRole('button', { name: 'Open the steps of each' }).click();
  await node('send').getByText('Succeeded, 3 of 3 done').waitFor();
  await photograph(page, 'run-canvas-loop');
  await node('send').click();
  await card('each.2.send').getByRole('region', { name: 'Output of each.2.send' }).waitFor();
  // A step of the run itself leads back to the canvas of the run.
  await card('cheap').locator('summary').click();
  await expect.poll(() => node('cheap').getAttribute('class')).toContain('selected');
});

it('the canvas can be put away', async () => {
  await page.getByRole('button', { name: /^Canvas/ }).click();
  await node('check').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: /^Canvas/ }).click();
  await node('check').waitFor();
});

async function isInView(locator: Locator): Promise<boolean> {
  const box = await locator.boundingBox();
  const height = page.viewportSize()?.height ?? 0;
  return box !== null && box.y >= 0 && box.y < height;
}
