import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, publish, signUp } from '../bench/client.ts';
import { expectSound, openSite, photograph, type Site } from './browser.ts';
import { signIn } from './people.ts';

/** How somebody starts a run of a workflow that asks for an input. */

let site: Site;
let page: Page;
let client: Client;
let address: string;

beforeAll(async () => {
  site = await openSite();
  client = await signUp(site.api.url);
  page = await site.newVisitor();
  await signIn(page, client.credentials.email, client.credentials.password);
  const properties = {
    customer: { type: 'string', description: 'As it is written on the invoice.' },
    price: { type: 'number' },
    currency: { enum: ['EUR', 'USD'], default: 'EUR' },
    lines: { type: 'array' },
  };
  const inputSchema = { type: 'object', required: ['customer', 'price'], properties, additionalProperties: false };
  const runs = await publish(client, 'Invoice', {
    version: 'v2',
    trigger: { type: 'trigger.manual', config: { inputSchema } },
    nodes: [{ id: 'keep', type: 'transform', config: { value: '{% $trigger.input %}' } }],
  });
  address = `/orgs/${new URL(page.url()).pathname.split('/')[2]}${runs.replace(/\/runs$/, '')}`;
});
afterAll(() => site?.close());

const input = () => page.getByRole('tree', { name: 'Input of the run' });
const press = (name: string) => page.getByRole('button', { name, exact: true }).click();

it('by a form with a field for each property, which says what is missing, and with the keyboard alone', async () => {
  await page.goto(address);
  await page.getByRole('button', { name: 'Run', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('customer').waitFor();
  await page.getByRole('button', { name: 'Start run' }).focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => page.getByText('This is required.').count()).toBe(2);
  expect(await page.getByLabel('customer').getAttribute('aria-invalid')).toBe('true');
  await photograph(page, 'run-form');
  await expectSound(page);
  await page.getByLabel('customer').focus();
  await page.keyboard.type('Harbour & Sons');
  await page.keyboard.press('Tab');
  await page.keyboard.type('12.5');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/runs/*');
  await input().getByText('customer: "Harbour & Sons"').waitFor();
  await input().getByText('price: 12.5').waitFor();
  await input().getByText('currency: "EUR"').waitFor();
});

it('by JSON, which the form is turned into and back, and the schema is held against it', async () => {
  await page.goto(address);
  await press('Run');
  await page.getByLabel('customer').fill('Ada');
  await page.getByLabel('price').fill('3');
  await press('Write it as JSON');
  const text = page.getByLabel('Input', { exact: true });
  expect(JSON.parse(await text.inputValue())).toEqual({ customer: 'Ada', price: 3, currency: 'EUR' });
  await text.fill('{ "customer": "Bob", "price": "much" }');
  await press('Start run');
  await page.getByText(/^price: .*Expected "number"\.$/).waitFor();
  await text.fill('{ "customer": "Bob", "price": 4, "more": 1 }');
  await press('Fill in a form');
  await page.getByText('The form has no place for all of this.').waitFor();
  await text.fill('{ "customer": "Bob", "price": 4, "lines": ["a"] }');
  await press('Fill in a form');
  expect(await page.getByLabel('lines (optional)').inputValue()).toBe('["a"]');
  await press('Start run');
  await page.waitForURL('**/runs/*');
  await input().getByText('customer: "Bob"').waitFor();
});
