import { expect, it } from 'vitest';
import { RetentionForm, sayRetention } from './retention-form.ts';

it.each([
  ['30', { days: 30 }],
  [' 7 ', { days: 7 }],
  ['', { days: null }],
])('%j days are sent as %j', (typed, sent) => {
  expect(RetentionForm.parse({ days: typed })).toEqual(sent);
});

it.each(['0', '3651', '1.5', '-1', 'week'])('%j days are refused before they are sent', (typed) => {
  expect(RetentionForm.safeParse({ days: typed }).success).toBe(false);
});

it('says how long runs are kept, and whether somebody chose that', () => {
  expect(sayRetention({ days: 1, isDefault: false })).toBe('Kept for one day.');
  expect(sayRetention({ days: 90, isDefault: true })).toBe('Kept for 90 days, as the server does by default.');
});
