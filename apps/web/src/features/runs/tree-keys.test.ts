import { expect, it } from 'vitest';
import { rowsOf } from './json-tree.ts';
import { stepOf } from './tree-keys.ts';

const rows = rowsOf({ a: { b: { c: 1 } }, d: 2 }, new Map());

it('arrow keys walk, open, close and lead out of a part, and stop at the ends', () => {
  expect(rows.map(({ name }) => name)).toEqual([null, 'a', 'b', 'd']);
  expect(stepOf('ArrowDown', rows, 3)).toEqual({ go: 3 });
  expect(stepOf('ArrowUp', rows, 0)).toEqual({ go: 0 });
  expect(stepOf('ArrowRight', rows, 1)).toEqual({ go: 2 });
  expect(stepOf('ArrowRight', rows, 2)).toEqual({ toggle: true });
  expect(stepOf('ArrowRight', rows, 3)).toBeNull();
  expect(stepOf('ArrowLeft', rows, 2)).toEqual({ go: 1 });
  expect(stepOf('ArrowLeft', rows, 1)).toEqual({ toggle: false });
  expect(stepOf('Enter', rows, 2)).toEqual({ toggle: true });
  expect(stepOf('End', rows, 0)).toEqual({ go: 3 });
  expect(stepOf('Home', rows, 2)).toEqual({ go: 0 });
  expect(stepOf('x', rows, 2)).toBeNull();
});
