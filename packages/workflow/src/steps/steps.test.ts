import { expect, test } from 'vitest';
import type { Json } from '../json.ts';
import { evaluateJsonata } from '../jsonata.ts';
import { findKind } from './registry.ts';

const run = (type: string, config: Json, collected: Record<string, Json> = {}) =>
  findKind(type)?.run?.({ config, collected });

test.each<Json>([null, true, false, 0, 1, -1, '', 'x', [], [0], [1], [0, 0], [0, 1], [[]], [[1]], [{}], {}, { a: 0 }])(
  'a condition judges %j as JSONata does, and no value as false',
  async (value) => {
    const expected = (await evaluateJsonata('$boolean($v)', { v: value }, { now: 0 })) === true;
    expect(run('condition', { if: value })).toEqual({ ok: true, output: expected, branch: String(expected) });
  },
);

test('a transform gives its value', () => {
  expect(run('transform', { value: { a: [1] } })).toEqual({ ok: true, output: { a: [1] } });
  expect(run('transform', { value: null })).toEqual({ ok: true, output: null });
});

test('a join gives what it collected', () => {
  expect(run('parallel.join', { mode: 'any' }, { a: 1, b: null })).toEqual({ ok: true, output: { a: 1, b: null } });
});

test('an http request is not pure: a connector executes it', () => {
  expect(findKind('http.request')?.run).toBeUndefined();
});
