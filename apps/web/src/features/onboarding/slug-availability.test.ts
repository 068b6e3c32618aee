import { expect, it } from 'vitest';
import { sayAvailability } from './slug-availability.ts';

const known = { isValid: true, isTyping: false };

it.each([
  ['says that a slug is free', { ...known, available: true }, { tone: 'success', text: 'acme is free.' }],
  [
    'says that a slug is taken',
    { ...known, available: false },
    { tone: 'danger', text: 'acme is taken; choose another one.' },
  ],
  ['says nothing of a slug that cannot be one', { isValid: false, isTyping: false, available: true }, undefined],
  ['says nothing when it could not ask', { ...known, available: undefined }, undefined],
])('it %s', (_, state, said) => {
  expect(sayAvailability('acme', state)).toEqual(said);
});

it('does not repeat the answer about an earlier slug while another one is being typed', () => {
  const said = sayAvailability('acme-2', { isValid: true, isTyping: true, available: false });
  expect(said?.text).not.toMatch(/taken|is free\./);
});
