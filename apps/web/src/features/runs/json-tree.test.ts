import { expect, it } from 'vitest';
import { findMatches, revealing, rowsOf, sayMatches, valueAt, withAll } from './json-tree.ts';

const value = { 'a/b': { deep: { word: 'Needle' } }, list: [1, null], empty: {}, long: 'x'.repeat(400) };
const CLOSED = new Map<string, boolean>();

it('shows what is small and near, and keeps the rest closed until somebody opens it', () => {
  const names = rowsOf(value, CLOSED).map(({ name, isOpen }) => [name, isOpen]);
  expect(names).toEqual([
    [null, true],
    ['a/b', true],
    ['deep', false],
    ['list', true],
    ['0', null],
    ['1', null],
    ['empty', null],
    ['long', null],
  ]);
  const opened = rowsOf(value, new Map([['/a~1b/deep', true]]));
  expect(opened[3]).toMatchObject({ name: 'word', text: '"Needle"', level: 4, position: 1, siblings: 1 });
  expect(rowsOf(Array(51).fill(0), CLOSED)).toHaveLength(1);
});

it('says of each line what a screen reader tells: its level and its place among its siblings', () => {
  expect(rowsOf(value, CLOSED)[5]).toMatchObject({
    pointer: '/list/1',
    level: 3,
    position: 2,
    siblings: 2,
    kind: 'null',
  });
});

it('cuts long texts on the screen only', () => {
  expect(rowsOf(value, CLOSED).at(-1)?.text).toHaveLength(303);
  expect(valueAt(value, '/long')).toBe(value.long);
  expect(valueAt(value, '/a~1b/deep/word')).toBe('Needle');
});

it('finds words in names and values, also in closed parts, and opens the way to them', () => {
  expect(findMatches(value, ' needle ')).toEqual(['/a~1b/deep/word']);
  expect(findMatches(value, 'LIST')).toEqual(['/list']);
  expect(findMatches(value, ' ')).toEqual([]);
  const rows = rowsOf(value, revealing(new Map([['/a~1b', false]]), '/a~1b/deep/word'));
  expect(rows.map(({ pointer }) => pointer)).toContain('/a~1b/deep/word');
});

it('opens and closes everything at once, the whole value itself staying open', () => {
  expect(rowsOf(value, withAll(value, true))).toHaveLength(9);
  expect(rowsOf(value, withAll(value, false)).map(({ level }) => level)).toEqual([1, 2, 2, 2, 2]);
});

it('says which match is shown, and that there are more than are counted', () => {
  expect(sayMatches({ words: '', at: -1, count: 0 })).toBe('');
  expect(sayMatches({ words: 'x', at: -1, count: 0 })).toBe('No match');
  expect(sayMatches({ words: 'x', at: 1, count: 5 })).toBe('2 of 5');
  const many = findMatches(Array(1_500).fill('x'), 'x');
  expect(sayMatches({ words: 'x', at: 0, count: many.length })).toBe('1 of 1000+');
});
