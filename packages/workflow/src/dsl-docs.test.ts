import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type AttemptOption, unusedOptions } from './steps/options.ts';
import { findKind, isLaterKind, KIND_NAMES } from './steps/registry.ts';
import { planOf } from './testing.ts';
import { validateDefinition } from './validate.ts';

const page = ['dsl.md', 'triggers.md']
  .map((name) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8'))
  .join('\n');

/**
 * The JSON blocks of the page with the problems their first line announces, as `path:CODE`. Parts that cannot be
 * published yet are no problems, except in a block marked `published`.
 */
const examples = [...page.matchAll(/^```json(?: problems=(\S+))?( published)?\n([\s\S]*?)^```$/gm)].map(
  ([, problems, published, json]) => ({
    problems: problems?.split(',') ?? [],
    allowLater: published === undefined,
    document: JSON.parse(json ?? '') as { nodes: { id: string }[] },
  }),
);

test('the page about the language has examples', () => {
  expect(examples.length).toBeGreaterThan(12);
});

test.each(examples)('an example of the page is valid, or has the problems it announces', (example) => {
  const { document, problems, allowLater } = example;
  const validation = validateDefinition(document, { allowLater });
  const found = validation.ok ? [] : validation.problems.map(({ path, code }) => `${path}:${code}`);
  expect(found.sort()).toEqual([...problems].sort());
  if (problems.length === 0) {
    expect([...planOf(document).nodes.keys()]).toEqual(document.nodes.map((node) => node.id));
  }
});

test('the page says which kinds take which options about attempts', () => {
  const rows = [...page.matchAll(/^\| (`[a-z.`, ]+`) \| (yes|no)[^|]* \| (yes|no) \|$/gm)];
  const told = rows.flatMap(([, kinds = '', retry, others]) =>
    [...kinds.matchAll(/`([a-z.]+)`/g)].map(([, type = '']) => [type, `${retry} ${others}`] as const),
  );
  const known = KIND_NAMES.flatMap((type) => findKind(type) ?? []).map((kind) => {
    const unused = unusedOptions(kind);
    const isTaken = (option: AttemptOption) => (unused.includes(option) ? 'no' : 'yes');
    expect(isTaken('timeoutMs')).toBe(isTaken('idempotency'));
    return [kind.type, `${isTaken('retry')} ${isTaken('timeoutMs')}`] as const;
  });
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(known));
});

test('the page names every kind of node, and those that cannot be published yet', () => {
  const table = page.slice(page.indexOf('## Kinds of nodes'), page.indexOf('## Order'));
  const kinds = [...table.matchAll(/^\| `([a-z.]+)` \|/gm)].map(([, type]) => type ?? '');
  const notYet = page.slice(page.indexOf('## Not yet'));
  const refused = [...(/the nodes ([^;]*);/.exec(notYet)?.[1] ?? '').matchAll(/`([a-z.]+)`/g)].map(
    ([, type]) => type ?? '',
  );
  expect(kinds.filter((type) => findKind(type) === undefined)).toEqual([]);
  expect(kinds.filter(isLaterKind).sort()).toEqual(refused.filter((type) => findKind(type) !== undefined).sort());
  expect(refused.filter((type) => !isLaterKind(type))).toEqual([]);
});
