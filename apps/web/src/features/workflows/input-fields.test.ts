import { expect, it } from 'vitest';
import { fieldsOf, readFields, textsOf } from './input-fields.ts';

const dsl = {
  trigger: {
    type: 'trigger.manual',
    config: {
      inputSchema: {
        type: 'object',
        required: ['item', 'price'],
        properties: {
          item: { type: 'string', title: 'What', description: 'As on the invoice.' },
          price: { type: 'number', default: 5 },
          size: { enum: ['s', 1] },
          isGift: { type: 'boolean' },
          tags: { type: 'array' },
        },
      },
    },
  },
};
const fields = fieldsOf(dsl) ?? [];

it('each property of the schema is a field of its type', () => {
  expect(fields.map(({ name, type, isRequired }) => [name, type, isRequired])).toEqual([
    ['item', 'text', true],
    ['price', 'number', true],
    ['size', 'choice', false],
    ['isGift', 'choice', false],
    ['tags', 'json', false],
  ]);
  expect(fields[0]).toMatchObject({ label: 'What', hint: 'As on the invoice.', initial: '' });
  expect(fields.map(({ initial }) => initial)).toEqual(['', '5', '', '', '']);
  expect(fields.map(({ choices }) => choices)).toEqual([[], [], ['"s"', '1'], ['true', 'false'], []]);
});

it('without properties there is no form', () => {
  for (const inputSchema of [undefined, true, {}, { type: 'object' }, { type: 'array' }])
    expect(fieldsOf({ trigger: { config: { inputSchema } } })).toBeNull();
  expect(fieldsOf(null)).toBeNull();
});

it('what stands in the fields becomes the input, and an empty field none of it', () => {
  const texts = { item: ' a "b" ', price: '1.5', size: '1', isGift: 'true', tags: '["x"]' };
  const input = { item: ' a "b" ', price: 1.5, size: 1, isGift: true, tags: ['x'] };
  expect(readFields(fields, texts)).toEqual({ ok: true, value: input });
  expect(textsOf(fields, input)).toEqual(texts);
  expect(readFields(fields, { item: 'x', price: '0' })).toEqual({ ok: true, value: { item: 'x', price: 0 } });
});

it('says beside each field what is wrong with it', () => {
  expect(readFields(fields, { price: 'much', tags: 'x' })).toEqual({
    ok: false,
    problems: {
      item: 'This is required.',
      price: 'Enter a number, like 12.5.',
      tags: 'This is not JSON. Texts stand in double quotes.',
    },
  });
});

it('an input that the fields cannot hold stays JSON', () => {
  expect(textsOf(fields, { item: 'x', more: 1 })).toBeNull();
  expect(textsOf(fields, [1])).toBeNull();
  expect(textsOf(fields, 'x')).toBeNull();
  expect(textsOf(fields, undefined)).toEqual({});
});
