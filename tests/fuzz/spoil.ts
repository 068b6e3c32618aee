import fc from 'fast-check';
import { HOSTILE, HOSTILE_KEY } from './hostile.ts';
import { Raw, Reuse } from './json.ts';
import type { Values } from './values.ts';

/** One or two places of a valid value spoiled: replaced, taken away, added, or repeated. */
export function spoiledValues(valid: Values): Values {
  const spot = fc.record({ at: fc.nat(30), how: fc.nat(4), with: HOSTILE, key: HOSTILE_KEY });
  return fc
    .tuple(valid, fc.array(spot, { minLength: 1, maxLength: 2 }))
    .map(([value, spots]) => spots.reduce((spoiled, one) => spoil(spoiled, one), value));
}

interface Spot {
  at: number;
  how: number;
  with: unknown;
  key: string;
}

/** Walks to the `at`-th node in the order of writing, and leaves the given value as it is. */
function spoil(value: unknown, spot: Spot): unknown {
  const left = { count: spot.at % Math.max(countNodes(value), 1) };
  return spoilAt(value, spot, left);
}

function countNodes(value: unknown): number {
  if (!isTree(value)) return 1;
  return Object.values(value).reduce<number>((sum, item) => sum + countNodes(item), 1);
}

function spoilAt(value: unknown, spot: Spot, left: { count: number }): unknown {
  if (left.count-- === 0) return spoilHere(value, spot);
  if (!isTree(value)) return value;
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const isHere = left.count === 0;
    const next = spoilAt(item, spot, left);
    return isHere && spot.how === 1 ? [] : [[key, next]];
  });
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}

function spoilHere(value: unknown, { how, with: hostile, key }: Spot): unknown {
  if (how === 2 && isTree(value) && !Array.isArray(value)) return { ...value, [key]: hostile };
  if (how === 3) return [value];
  if (how === 4 && Array.isArray(value)) return [...value, ...value, hostile];
  return hostile;
}

function isTree(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Raw) && !(value instanceof Reuse);
}
