import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, expect, it } from 'vitest';
import { printPages } from '../scripts/docs/pages.ts';

const root = new URL('..', import.meta.url);
let pages: Awaited<ReturnType<typeof printPages>>;

beforeAll(async () => {
  pages = await printPages();
});

it.each(['docs/openapi.json', 'docs/errors.md', 'docs/workflow.schema.json'])(
  '%s is what the code prints now',
  async (path) => {
    const committed = await readFile(new URL(path, root), 'utf8').catch(() => 'missing');
    const printed = pages.find((page) => page.path === path)?.text;
    expect(committed === printed, `${path} is stale: run \`npm run docs\` and commit what it wrote`).toBe(true);
  },
);

it('prints the same pages every time', async () => {
  expect(await printPages()).toEqual(pages);
});

it('prints every endpoint with an operation id of its own', () => {
  const document = JSON.parse(pages.find((page) => page.path === 'docs/openapi.json')?.text ?? '{}');
  expect(document.openapi).toBe('3.1.0');
  const operations = Object.values<Record<string, { operationId?: string }>>(document.paths).flatMap(Object.values);
  const ids = operations.map(({ operationId }) => operationId).filter((id) => id !== undefined);
  expect(ids).toEqual(expect.arrayContaining(['signUp', 'createRun', 'acceptInvitation', 'testStep']));
  expect(new Set(ids).size).toBe(ids.length);
});

it('prints a schema that accepts every valid example of the page about the language, and says where one is wrong', async () => {
  const page = await readFile(new URL('docs/dsl.md', root), 'utf8');
  const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, json]) => JSON.parse(json ?? ''));
  const schema = JSON.parse(pages.find((it) => it.path === 'docs/workflow.schema.json')?.text ?? '{}');
  const validate = new Ajv2020({
    strict: true,
    strictRequired: false,
    strictTypes: false,
    validateFormats: false,
  }).compile(schema);
  expect(examples.length).toBeGreaterThan(8);
  expect(examples.filter((example) => !validate(example))).toEqual([]);
  const body = { nodes: [{ id: 'a', type: 'condition', config: { iff: true } }] };
  const nodes = [{ id: 'each', type: 'foreach', config: { items: [], body } }];
  expect(validate({ version: 'v2', trigger: { type: 'trigger.manual' }, nodes })).toBe(false);
  const places = (validate.errors ?? []).map(({ instancePath }) => instancePath);
  expect(places).toContain('/nodes/0/config/body/nodes/0/config');
});
