import { expect, it } from 'vitest';
import { transferForm } from './transfer-form.ts';

const memberId = '0198c0de-0000-7000-8000-000000000000';
const accepts = (values: { memberId: string; confirm: string }) => transferForm('Acme & Co').safeParse(values).success;

it('ownership is passed on only to a chosen member and with the name typed', () => {
  expect(accepts({ memberId, confirm: 'Acme & Co' })).toBe(true);
  expect(accepts({ memberId, confirm: ' Acme & Co ' })).toBe(true);
  expect(accepts({ memberId, confirm: 'acme & co' })).toBe(false);
  expect(accepts({ memberId, confirm: '' })).toBe(false);
  expect(accepts({ memberId: '', confirm: 'Acme & Co' })).toBe(false);
});
