import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { planOf } from './testing.ts';
import { validateDefinition } from './validate.ts';

const page = ['dsl.md', 'triggers.md']
  .map((name) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8'))
  .join('\n');

/** The JSON blocks of the pages with the problems their first line announces, as `path:CODE`. */
const examples = [...page.matchAll(/^```json(?: problems=(\S+))?\n([\s\S]*?)^```$/gm)].map(([, problems, json]) => ({
  problems: problems?.split(',') ?? [],
  document: JSON.parse(json ?? '') as { nodes: { id: string }[] },
}));

test('the pages about the language have examples', () => {
  expect(examples.length).toBeGreaterThan(6);
});

test.each(examples)('an example of the pages is valid, or has the problems it announces', ({ document, problems }) => {
  const validation = validateDefinition(document);
  const found = validation.ok ? [] : validation.problems.map(({ path, code }) => `${path}:${code}`);
  expect(found.sort()).toEqual([...problems].sort());
  if (problems.length === 0) {
    expect([...planOf(document).nodes.keys()]).toEqual(document.nodes.map((node) => node.id));
  }
});
