import { expect, it } from 'vitest';
import { sayCountdown, sayDuration, sayRelative } from './time.ts';

const now = Date.parse('2026-06-15T12:00:00Z');

it.each([
  ['2026-06-15T11:59:30Z', 'en', 'now'],
  ['2026-06-15T11:57:00Z', 'en', '3 minutes ago'],
  ['2026-06-15T14:00:00Z', 'en', 'in 2 hours'],
  ['2026-06-14T12:00:00Z', 'de', 'gestern'],
  ['2025-06-15T12:00:00Z', 'en', 'last year'],
])('%s is said in the language %s as "%s"', (time, locale, words) => {
  expect(sayRelative(time, now, locale)).toBe(words);
});

it.each([
  [350, '350 ms'],
  [2_430, '2.4 s'],
  [185_000, '3 min 5 s'],
  [7_260_000, '2 h 1 min'],
])('%d ms are said as "%s"', (ms, words) => {
  expect(sayDuration(ms, 'en')).toBe(words);
});

it('a wait is counted down by seconds, also over hours, until it is due', () => {
  const now = Date.parse('2026-06-15T12:00:00Z');
  expect(sayCountdown('2026-06-15T12:00:11.200Z', now, 'en')).toBe('in 12 s');
  expect(sayCountdown('2026-06-15T12:03:05Z', now, 'en')).toBe('in 3 min 5 s');
  expect(sayCountdown('2026-06-15T14:03:05Z', now, 'en')).toBe('in 2 h 3 min');
  expect(sayCountdown('2026-06-15T11:59:59Z', now, 'en')).toBe('any moment now');
});
