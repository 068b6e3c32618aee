import { expect, test } from 'vitest';
import type { ExpressionBindings } from './expression.ts';
import { narrow, planTree } from './planned-tree.ts';

const bindings: ExpressionBindings = {
  trigger: { type: 'trigger.manual', input: 'large', at: '2026-01-01T00:00:00.000Z' },
  run: { id: 'run', workflowId: 'workflow', version: 1, startedAt: '2026-01-01T00:00:00.000Z' },
  constants: { large: 'constant' },
  vars: { large: 'variable' },
  steps: { a: { status: 'succeeded', output: 1 }, b: { status: 'succeeded', output: 2 } },
  locals: { item: 'large', itemIndex: 3 },
};

test('bindings are narrowed to what is read by expressions that are not plain', () => {
  const plain = ['trigger.input', 'constants', 'vars', 'steps.a.output', 'item'].map((path) => `{% $${path} %}`);
  const tree = planTree({ plain, other: '{% $steps.b.output + $itemIndex %}' }, ['item', 'itemIndex']);
  expect(tree).toMatchObject({ isPlain: false, reads: ['a', 'b'], locals: ['item', 'itemIndex'] });
  expect(narrow(bindings, tree.outside)).toEqual({
    trigger: { ...bindings.trigger, input: null },
    run: bindings.run,
    constants: {},
    steps: { b: bindings.steps.b },
    locals: { itemIndex: 3 },
  });
});

test('all that such expressions read is left to them', () => {
  const paths = ['trigger.input', 'constants', 'vars', 'steps.a', 'steps.b', 'item', 'itemIndex'];
  const { outside } = planTree(
    paths.map((path) => `{% [$${path}] %}`),
    ['item', 'itemIndex'],
  );
  expect(narrow(bindings, outside)).toEqual(bindings);
});
