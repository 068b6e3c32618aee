import { expect, it } from 'vitest';
import { sampleInput } from './sample-input.ts';
import { TEMPLATES } from './templates.ts';

it('a run begins with an input of the shape that its trigger asks for', () => {
  const purchase = TEMPLATES.find(({ id }) => id === 'purchase-approval');
  expect(JSON.parse(sampleInput(purchase?.dsl ?? null))).toEqual({ item: '', price: 0 });
});

it('a trigger that asks for nothing is given nothing', () => {
  expect(sampleInput(null)).toBe('');
  expect(sampleInput({ trigger: { type: 'trigger.manual' } })).toBe('');
});
