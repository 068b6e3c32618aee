import { expect, test } from 'vitest';
import { combineOutputs } from './output.ts';
import { planOf } from './testing.ts';

const trigger = { type: 'trigger.manual' };
const node = (id: string, value: unknown) => ({ id, type: 'transform', config: { value } });

test('a plan knows what every step and the output read, and which trees are plain', () => {
  const plan = planOf({
    version: 'v2',
    trigger,
    nodes: [
      node('a', '{% $trigger.input %}'),
      node('b', { x: '{% $steps.a.output %}', y: ['{% $steps.a.output.z + 1 %}'] }),
      node('c', 'n={% $steps.b.output %} {% $steps.a.status %}'),
    ],
    output: '{% $sum([$steps.a.output, $steps.c.output]) %}',
  });
  const configs = [...plan.nodes.values()].map(({ config }) => [config.reads, config.isPlain]);
  expect(configs).toEqual([
    [[], true],
    [['a'], false],
    [['b', 'a'], true],
  ]);
  expect(plan.output).toMatchObject({ reads: ['a', 'c'], isPlain: false });
});

test('a plan resolves retry and time limits and knows the highest number of attempts', () => {
  const call = { id: 'b', type: 'http.request', config: { method: 'GET', url: 'https://example.com' } };
  const nodes = [node('a', 1), { ...call, retry: { maxAttempts: 7, factor: 3 }, timeoutMs: 50 }];
  const plan = planOf({ version: 'v2', trigger, nodes }, 2);
  expect(plan.maxAttempts).toBe(7);
  expect(plan.nodes.get('a')).toMatchObject({ retry: { maxAttempts: 2, backoffMs: 1000, factor: 2 }, timeoutMs: null });
  expect(plan.nodes.get('b')).toMatchObject({ retry: { maxAttempts: 7, backoffMs: 1000, factor: 3 }, timeoutMs: 50 });
});

test('without edges the plan has the chain', () => {
  const plan = planOf({ version: 'v2', trigger, nodes: [node('a', 1), node('b', 1), node('c', 1)] });
  expect(plan.edges).toEqual([
    { from: 'a', to: 'b', branch: null },
    { from: 'b', to: 'c', branch: null },
  ]);
  expect(plan.nodes.get('b')).toMatchObject({ incoming: [0], outgoing: [1] });
});

test('a document of any allowed shape is planned in little time, however many joins cancel the rest', () => {
  const join = (id: string) => ({ id, type: 'parallel.join', config: { mode: 'any', cancelRest: true } });
  const nodes = Array.from({ length: 1000 }, (_, index) => (index < 500 ? node(`n${index}`, 1) : join(`n${index}`)));
  const edges = nodes.flatMap(({ id }, index) =>
    [1, 2, 3, 4].filter((back) => back <= index).map((back) => ({ from: `n${index - back}`, to: id })),
  );
  const startedAt = performance.now();
  const plan = planOf({ version: 'v2', trigger, nodes, edges });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(plan.nodes.get('n999')?.cancels).toHaveLength(999);
  expect(plan.nodes.get('n998')?.cancels).toEqual([]);
});

test('no output is null, one is itself, several are an object by step', () => {
  const outputOf = (stepKey: string) => `output of ${stepKey}`;
  expect(combineOutputs([], outputOf)).toBeNull();
  expect(combineOutputs(['a'], outputOf)).toBe('output of a');
  expect(combineOutputs(['a', 'constructor'], outputOf)).toEqual({
    a: 'output of a',
    constructor: 'output of constructor',
  });
});
