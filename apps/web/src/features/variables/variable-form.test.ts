import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sayValue, typeOf, variableForm } from './variable-form.ts';

const form = variableForm(['region']);
const problemAt = (values: object) => form.safeParse(values).error?.issues.map(({ path }) => path[0]);

it('what is typed as text stays text, and JSON becomes its value', () => {
  expect(form.parse({ name: 'limit', kind: 'text', text: '42' })).toEqual({ name: 'limit', value: '42' });
  expect(form.parse({ name: 'limit', kind: 'json', text: '42' })).toEqual({ name: 'limit', value: 42 });
  expect(form.parse({ name: 'none', kind: 'json', text: 'null' })).toEqual({ name: 'none', value: null });
});

it('says beside the field what cannot be sent', () => {
  expect(problemAt({ name: '1st', kind: 'text', text: '' })).toEqual(['name']);
  expect(problemAt({ name: 'limit', kind: 'json', text: '{' })).toEqual(['text']);
  expect(problemAt({ name: 'limit', kind: 'json', text: '' })).toEqual(['text']);
});

it('a new variable does not replace another one unseen', () => {
  expect(problemAt({ name: 'region', kind: 'text', text: 'eu' })).toEqual(['name']);
});

it('every value comes back from the form as it went in', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const sent = form.parse({ name: 'x', ...typeOf(value) });
      expect(JSON.stringify(sent.value)).toBe(JSON.stringify(value));
    }),
  );
});

it('a value takes one line of a list', () => {
  expect([sayValue(''), sayValue('eu'), sayValue({ a: [1] })]).toEqual(['(empty text)', 'eu', '{"a":[1]}']);
});
