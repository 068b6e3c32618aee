import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isLongerThan, type Json } from './json.ts';

it('never calls a value longer than its JSON text is, and finds every text of some length', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      // Numbers and words count as five characters; an escape in a string is longer than what it stands for.
      expect(isLongerThan(value as Json, text.length * 5 + 5)).toBe(false);
    }),
  );
  const text = 'x'.repeat(1_000);
  for (const value of [text, [text], { [text]: 1 }, { a: [{ b: text }] }, Array(1_000).fill(0)])
    expect(isLongerThan(value, 990)).toBe(true);
});

it('looks no further once it knows', () => {
  const endless = { a: 'x'.repeat(100) } as Record<string, Json>;
  endless.b = endless;
  expect(isLongerThan(endless, 1_000)).toBe(true);
});
