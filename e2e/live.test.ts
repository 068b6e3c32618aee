import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { reportFigure } from '../packages/shared/src/testing.ts';
import { readEvents } from '../packages/shared/src/testing-event-stream.ts';
import { openSite, photograph, type Site } from './browser.ts';
import { signIn } from './people.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** What somebody sees who watches a run, while programs come and go. */

const CHANGES = 25;
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

const call = (id: string, path: string, more: object = {}) => ({
  ...{ id, type: 'http.request', config: { method: 'GET', url: `${receiver.url}${path}` } },
  ...more,
});
/** Steps behind an approval, so that somebody watches before they begin. */
const chain = (count: number) => ({
  version: 'v2',
  trigger: { type: 'trigger.manual' },
  nodes: [
    { id: 'ask', type: 'approval', config: { by: 'member', note: 'Shall it go on?' } },
    ...Array.from({ length: count }, (_, index) => call(`s${index}`, '/fast')),
  ],
  edges: [
    { from: 'ask', to: 's0', branch: 'approved' },
    ...Array.from({ length: count - 1 }, (_, index) => ({ from: `s${index}`, to: `s${index + 1}` })),
  ],
});

/** Starts a run and opens its page; answers the path of the run. */
async function watch(where: Page, runs: string): Promise<string> {
  const { run } = await client.call('POST', runs, {});
  await where.goto(`/orgs/${slugOf(page)}${runs}/${run?.id}`);
  return `${runs}/${run?.id}`;
}

const slugOf = (where: Page) => new URL(where.url()).pathname.split('/')[2];
const stepOf = (where: Page, id: string): Locator =>
  where.getByRole('list', { name: 'Steps' }).getByRole('listitem').filter({ hasText: id });
const READINGS = /\/runs\/[0-9a-f-]{36}(\/standing)?$/;

it('steps that begin while nothing can be read appear and change by the stream alone', async () => {
  await watch(page, await publish(client, 'By the stream', chain(3)));
  await stepOf(page, 'ask').getByText('Shall it go on?').waitFor();
  await page.route(READINGS, (route) => (route.request().method() === 'GET' ? route.abort() : route.continue()));
  await page.getByRole('button', { name: 'Approve' }).click();
  for (const id of ['s0', 's1', 's2']) await stepOf(page, id).getByText('Succeeded').waitFor();
  // The run's own status too: the first badge of the page is that of the run.
  await page.locator('header').getByText('Succeeded').waitFor();
  await page.unroute(READINGS);
});

it('a change of a step is on the screen within 300 ms of its commit', async () => {
  const run = await watch(page, await publish(client, 'Timed', chain(CHANGES)));
  await page.getByRole('button', { name: 'Approve' }).waitFor();
  await page.evaluate(WATCH_STEPS);
  await page.getByRole('button', { name: 'Approve' }).click();
  await stepOf(page, `s${CHANGES - 1}`)
    .getByText('Succeeded')
    .waitFor();
  const seen = await page.evaluate<Record<string, number>>('window.seenSteps');
  const told = await readEvents(`${site.api.url}${client.orgPath}${run}/events`, client.headers);
  await told.ended;
  const delays = told.events.flatMap(({ data: { type, stepId = '', at = '' } }) =>
    type === 'step.succeeded' && seen[stepId] ? seen[stepId] - Date.parse(at) : [],
  );
  expect(delays).toHaveLength(CHANGES);
  const p95 = delays.toSorted((a, b) => a - b)[Math.ceil(CHANGES * 0.95) - 1] ?? Number.POSITIVE_INFINITY;
  expect(p95).toBeLessThan(300);
  reportFigure('Run page', `a step's change is on the screen ${p95} ms after its commit (p95 of ${CHANGES})`);
});

it('a worker is killed while somebody watches: the page says so, and the run ends on it with another worker', async () => {
  const safe = { version: 'v2', trigger: { type: 'trigger.manual' }, nodes: [call('held', '/held')] };
  const unsafe = { ...safe, nodes: [call('once', '/held', { idempotency: 'none' })] };
  await watch(page, await publish(client, 'Held', safe));
  await page.evaluate('window.isSamePage = true');
  const other = await page.context().newPage();
  await watch(other, await publish(client, 'Only once', unsafe));
  for (const [where, id] of [
    [page, 'held'],
    [other, 'once'],
  ] as const)
    await stepOf(where, id).getByText('Running').waitFor();
  await site.worker.kill('SIGKILL');
  await page.getByText('Its worker was lost').waitFor();
  await photograph(page, 'run-worker-lost');

  receiver.release();
  await site.platform.startWorker();
  await stepOf(page, 'held').getByText('Succeeded').waitFor();
  await page.locator('header').getByText('Succeeded').waitFor();
  expect(await page.getByText('Its worker was lost').count()).toBe(0);
  expect(await page.evaluate('window.isSamePage')).toBe(true);

  // Of the other nobody knows whether the call was made: a person decides.
  await other.getByRole('button', { name: 'Do it again' }).waitFor();
  await photograph(other, 'run-decision');
  await other.getByRole('button', { name: 'Skip with a value' }).click();
  await other.getByRole('textbox', { name: 'Output', exact: true }).fill('{ "status": ');
  await other.getByRole('button', { name: 'Skip the step' }).click();
  await other.getByText(/This is not JSON/).waitFor();
  await other.getByRole('textbox', { name: 'Output', exact: true }).fill('{ "status": 204 }');
  await photograph(other, 'run-skip');
  await other.getByRole('button', { name: 'Skip the step' }).click();
  await other.locator('header').getByText('Succeeded').waitFor();
  await stepOf(other, 'once').locator('summary').click();
  await other.getByRole('tree', { name: 'Output of once' }).getByText('204').waitFor();
  await other.close();
});

/** Notes when a step's success was first drawn: in the frame after the document changed. */
const WATCH_STEPS = `(() => {
  const seen = (window.seenSteps = {});
  const look = () => {
    for (const item of document.querySelectorAll('ol[aria-label=Steps] > li')) {
      const id = /^s\\d+/.exec(item.textContent)?.[0];
      if (id && !(id in seen) && item.textContent.includes('Succeeded')) seen[id] = Date.now();
    }
  };
  new MutationObserver(() => requestAnimationFrame(look)).observe(document.body, {
    subtree: true, childList: true, characterData: true,
  });
})()`;
