import { expect, it } from 'vitest';
import { ApiError } from './api-error.ts';
import { sayError } from './say-error.ts';

const refusal = (path: string, message: string) =>
  new ApiError(400, { code: 'BAD_REQUEST', message: 'Bad.', details: [{ path, code: 'invalid', message }] });

it('a detail of a refusal reads as a sentence, whichever way it is worded', () => {
  expect(sayError(refusal('input.price', 'must be a number'))).toBe('price must be a number.');
  expect(sayError(refusal('input.price', 'Expected "number".'))).toBe('price: Expected "number".');
});

it('a fault of our own says no more than that there was one', () => {
  expect(sayError(new Error('x is not a function'))).toMatch(/^Something went wrong/);
});
