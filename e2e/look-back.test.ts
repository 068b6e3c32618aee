import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { expectSound, openSite, photograph, type Site } from './browser.ts';
import { signIn } from './people.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** What somebody finds out about runs that are over, or that wait, and what starts the next ones. */

let site: Site;
let page: Page;
let client: Client;
let receiver: Receiver;
let org: string;

beforeAll(async () => {
  receiver = await startReceiver();
  site = await openSite({ EGRESS_ALLOW_CIDRS: receiver.egress });
  client = await signUp(site.api.url);
  page = await site.newVisitor({ permissions: ['clipboard-read', 'clipboard-write'] });
  await signIn(page, client.credentials.email, client.credentials.password);
  org = `/orgs/${new URL(page.url()).pathname.split('/')[2]}`;
});
afterAll(async () => {
  await site?.close();
  receiver?.close();
});

const manual = (nodes: object[]) => ({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes });
const step = (id: string) => page.getByRole('list', { name: 'Steps' }).getByRole('listitem').filter({ hasText: id });

async function open(runs: string, input?: unknown): Promise<void> {
  const { run } = await client.call('POST', runs, { input });
  await page.goto(`${org}${runs}/${run?.id}`);
}

it('values are walked by keys and searched; a large one and a file are brought when asked for', async () => {
  const runs = await publish(
    client,
    'Values',
    manual([
      { id: 'copy', type: 'transform', config: { value: '{% $trigger.input %}' } },
      {
        ...{ id: 'report', type: 'http.request' },
        config: { method: 'GET', url: `${receiver.url}/file`, responseType: 'file' },
      },
    ]),
  );
  const orders = Array.from({ length: 3_000 }, (_, number) => ({ number, customer: { name: `Customer ${number}` } }));
  await open(runs, { orders, shop: 'Harbour' });
  await page.locator('header').getByText('Succeeded').waitFor();
  await step('copy').locator('summary').click();
  await step('copy').getByRole('region', { name: 'Output of copy' }).getByRole('button', { name: 'Show it' }).click();
  const tree = page.getByRole('tree', { name: 'Output of copy' });
  await tree.getByText('3000 items').waitFor();
  await page.getByRole('searchbox', { name: 'Search Output of copy' }).fill('customer 2999');
  await tree.getByText('"Customer 2999"').waitFor();
  await page.getByText('1 of 1').waitFor();
  expect(await tree.getByRole('treeitem').count()).toBeLessThan(60);
  await photograph(page, 'run-value');

  await tree.focus();
  for (const key of ['Home', 'ArrowLeft']) await page.keyboard.press(key);
  await expect.poll(() => tree.getByRole('treeitem').count()).toBe(1);
  for (const key of ['ArrowRight', 'End']) await page.keyboard.press(key);
  await expect.poll(() => tree.getAttribute('aria-activedescendant')).toMatch(/-3005$/);
  // A click on a line makes it the active one, and the keys go on from there.
  await tree.getByRole('treeitem').nth(-3).click();
  for (const key of ['ArrowDown', 'ArrowDown']) await page.keyboard.press(key);
  await page.getByRole('button', { name: 'Copy the active part of Output of copy' }).click();
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe('Customer 2999');

  await step('report').locator('summary').click();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    step('report').getByRole('button', { name: 'Download report.txt' }).click(),
  ]);
  expect(file.suggestedFilename()).toBe('report.txt');
  expect(await readFile(await file.path(), 'utf8')).toBe('The whole report.');
  await photograph(page, 'run-file');
});

it('a run that waits for its next attempt counts down to it', async () => {
  const retry = { maxAttempts: 3, backoffMs: 3_000_000, maxBackoffMs: 3_600_000, jitter: false };
  const config = { method: 'GET', url: `${receiver.url}/broken` };
  await open(await publish(client, 'Broken', manual([{ id: 'send', type: 'http.request', config, retry }])));
  const notice = page.getByRole('status').filter({ hasText: 'The next attempt starts in' });
  await notice.waitFor();
  await step('send').getByText('next attempt in').waitFor();
  const before = await notice.textContent();
  await expect.poll(() => notice.textContent()).not.toBe(before);
  await photograph(page, 'run-countdown');
});

it('the page of a run leads to the run whose step started it, and that of a retry to what it goes on from', async () => {
  const pause = manual([{ id: 'pause', type: 'delay', config: { for: 3_600_000 } }]);
  const called = await publish(client, 'Called', pause);
  const workflowId = called.split('/')[2];
  const calling = await publish(
    client,
    'Calling',
    manual([{ id: 'call', type: 'subworkflow', config: { workflowId } }]),
  );
  const { run: parent } = await client.call('POST', calling, {});
  let childId: string | undefined;
  await eventually('the step starts its run', async () => {
    const answer = await fetch(`${site.api.url}${client.orgPath}${called}`, { headers: client.headers });
    childId = ((await answer.json()) as { runs: { id: string }[] }).runs[0]?.id;
    return childId !== undefined;
  });
  await page.goto(`${org}${called}/${childId}`);
  const started = page.getByRole('link', { name: 'Started by a run of Calling' });
  await started.waitFor();
  await expectSound(page);
  await photograph(page, 'run-of-a-step');
  await started.click();
  await page.waitForURL(`**${calling}/${parent?.id}`);
  await page.getByRole('heading', { name: 'Run of Calling' }).waitFor();
  expect(await page.getByRole('link', { name: /^(Started by|Retry of)/ }).count()).toBe(0);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Retry from here' }).click();
  await page.getByRole('link', { name: 'Retry of a run' }).click();
  await page.waitForURL(`**${calling}/${parent?.id}`);
});

it('runs are listed by the names of their workflows, however many, and cancelled and retried by filter', async () => {
  const pausing = manual([{ id: 'pause', type: 'delay', config: { for: 3_600_000 } }]);
  const runs = await publish(client, 'Night shift', pausing);
  for (let count = 0; count < 90; count += 1) await client.call('POST', runs, {});
  await page.goto(`${org}/runs`);
  const list = page.getByRole('list', { name: 'Runs' });
  await list.getByText('Night shift').first().waitFor();
  await photograph(page, 'runs-by-name');
  await page.getByRole('combobox', { name: 'Workflow' }).selectOption({ label: 'Values' });
  await expect.poll(() => list.getByRole('listitem').count()).toBe(1);
  await page.getByRole('combobox', { name: 'Workflow' }).selectOption({ label: 'Night shift' });
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect.poll(() => list.getByRole('listitem').count()).toBe(60);
  await page.getByRole('button', { name: 'Show more' }).click();
  // Ninety, of which those that nobody sees are not drawn.
  await list.locator('li[aria-setsize="90"]').first().waitFor();
  expect(await list.getByRole('listitem').count()).toBeLessThan(60);
  await page.evaluate('scrollTo(0, document.body.scrollHeight)');
  await list.locator('li[aria-posinset="90"]').waitFor();
  await expectSound(page);
  await page.evaluate('scrollTo(0, 0)');

  await page.getByRole('button', { name: 'Cancel all …' }).click();
  await page.getByText('This is about 90 runs.').waitFor();
  await photograph(page, 'runs-cancel');
  await page.getByRole('button', { name: 'Leave them' }).click();
  expect(await list.getByText('Cancelled').count()).toBe(0);
  await page.getByRole('button', { name: 'Cancel all …' }).click();
  await page.getByRole('button', { name: 'Cancel 90 runs' }).click();
  await page.getByText('90 runs cancelled.').waitFor();
  await page.getByRole('combobox', { name: 'Run status' }).selectOption('cancelled');
  await list.getByText('Cancelled').first().waitFor();
  await page.getByRole('button', { name: 'Retry all …' }).click();
  await page.getByRole('button', { name: 'Retry 90 runs' }).click();
  await page.getByText('90 runs retried.').waitFor();
  await page.getByRole('combobox', { name: 'Run status' }).selectOption('waiting');
  await list.getByText('Waiting').first().waitFor();
});

it('a workflow shows its webhook, whose address is copied and changed, and the next times of its schedule', async () => {
  const nodes = [{ id: 'a', type: 'transform', config: { value: 1 } }];
  const hooked = await publish(client, 'Hooked', {
    ...{ version: 'v2', trigger: { type: 'trigger.webhook', config: {} } },
    nodes,
  });
  await page.goto(`${org}${hooked.replace(/\/runs$/, '')}`);
  const copy = page.getByRole('button', { name: 'Copy webhook address' });
  await copy.click();
  const before = await page.evaluate<string>('navigator.clipboard.readText()');
  await photograph(page, 'workflow-webhook');
  await page.getByRole('button', { name: 'New address' }).click();
  await page.getByRole('button', { name: 'Make a new address' }).click();
  await page.getByText('The webhook has a new address.').waitFor();
  await eventually('the new address', async () => (await page.getByText(before).count()) === 0);
  await copy.click();
  const after = await page.evaluate<string>('navigator.clipboard.readText()');
  expect(after).not.toBe(before);
  expect((await fetch(before, { method: 'POST' })).status).toBe(404);
  expect((await fetch(after, { method: 'POST' })).status).toBe(202);

  const timed = await publish(client, 'Timed', {
    ...{
      version: 'v2',
      trigger: { type: 'trigger.cron', config: { expression: '0 3 * * *', timeZone: 'Europe/Berlin' } },
    },
    nodes,
  });
  await page.goto(`${org}${timed.replace(/\/runs$/, '')}`);
  await expect.poll(() => page.getByRole('list', { name: 'Next runs' }).getByRole('listitem').count()).toBe(5);
  await photograph(page, 'workflow-schedule');
});
