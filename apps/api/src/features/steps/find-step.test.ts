import { expect, it } from 'vitest';
import { findStep } from './find-step.ts';

const value = (id: string) => ({ id, type: 'transform', config: { value: 1 } });

it('steps are found in the bodies of loops, and never in the body that a request sends', () => {
  const sent = { nodes: [{ id: 'a', type: 'transform', config: { value: 'data' } }, { id: 'only' }] };
  const config = { method: 'POST', url: 'https://api.example.com', body: sent };
  const each = { id: 'each', type: 'foreach', config: { items: [], body: { nodes: [value('x')] } } };
  const dsl = {
    ...{ version: 'v2', trigger: { type: 'trigger.manual' } },
    nodes: [{ id: 'send', type: 'http.request', config }, value('a'), each],
  };
  expect(findStep(dsl, 'a')).toEqual({ node: value('a'), incoming: [], loops: [] });
  expect(findStep(dsl, 'each.3.x')).toMatchObject({ node: value('x'), loops: [{ id: 'each', as: 'item', index: 3 }] });
  expect(() => findStep(dsl, 'only')).toThrow();
});
