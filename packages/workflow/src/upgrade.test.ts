import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Upgrade, upgradeDocument } from './upgrade.ts';

/** A language whose second version renamed a key, and whose third moved it. */
const upgrades: Upgrade[] = [
  { from: 'one', to: 'two', upgrade: ({ steps, ...rest }) => ({ ...rest, nodes: steps }) },
  { from: 'two', to: 'three', upgrade: ({ nodes, ...rest }) => ({ ...rest, graph: { nodes } }) },
];

it('an older document is read as the newest version writes it, step by step', () => {
  const three = { version: 'three', graph: { nodes: ['a'] }, name: 'kept' };
  expect(upgradeDocument({ version: 'one', steps: ['a'], name: 'kept' }, upgrades)).toEqual(three);
  expect(upgradeDocument({ version: 'two', nodes: ['a'], name: 'kept' }, upgrades)).toEqual(three);
  expect(upgradeDocument(three, upgrades)).toBe(three);
});

it('what is stored stays as it is, and read twice gives the same', () => {
  const stored = Object.freeze({ version: 'one', steps: Object.freeze(['a']) });
  expect(upgradeDocument(stored, upgrades)).toEqual(upgradeDocument(stored, upgrades));
  expect(stored).toEqual({ version: 'one', steps: ['a'] });
});

it.each([null, 'one', ['one'], {}, { version: 'none' }, { version: 1 }])(
  'what is no document of an older version is left as it is: %j',
  (value) => expect(upgradeDocument(value, upgrades)).toBe(value),
);

it('a document of the current version is answered as it was stored', () => {
  const schema = JSON.parse(readFileSync(new URL('../../../docs/workflow.schema.json', import.meta.url), 'utf8'));
  const current = { version: schema.properties.version.const };
  expect(current.version).toBe('v2');
  expect(upgradeDocument(current)).toBe(current);
});
