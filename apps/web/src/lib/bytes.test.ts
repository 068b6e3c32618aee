import { expect, it } from 'vitest';
import { sayBytes } from './bytes.ts';

it('a size is said in the unit that keeps it short', () => {
  expect(sayBytes(0, 'en')).toBe('0 byte');
  expect(sayBytes(70_123, 'en')).toBe('70.1 kB');
  expect(sayBytes(20_000_000, 'en')).toBe('20 MB');
  expect(sayBytes(20_500_000, 'de')).toBe('20,5 MB');
});
