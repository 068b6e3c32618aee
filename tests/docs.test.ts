import { readFile } from 'node:fs/promises';
import { beforeAll, expect, it } from 'vitest';
import { printPages } from '../scripts/docs/pages.ts';

const root = new URL('..', import.meta.url);
let pages: Awaited<ReturnType<typeof printPages>>;

beforeAll(async () => {
  pages = await printPages();
});

it.each(['docs/openapi.json', 'docs/errors.md'])('%s is what the code prints now', async (path) => {
  const committed = await readFile(new URL(path, root), 'utf8').catch(() => 'missing');
  const printed = pages.find((page) => page.path === path)?.text;
  expect(committed === printed, `${path} is stale: run \`npm run docs\` and commit what it wrote`).toBe(true);
});

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
