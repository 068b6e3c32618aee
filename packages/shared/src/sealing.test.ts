import { expect, it } from 'vitest';
import { deriveKey, seal, unseal } from './sealing.ts';

const SECRET = 'a secret of the server, long enough';
const key = deriveKey(SECRET, 'test v1');
const text = 'https://hooks.example.com/T000/ä🙂';

it('opens what it sealed, shows nothing of it, and seals the same text differently each time', () => {
  const sealed = seal(key, 'row 1', text);
  expect(unseal(key, 'row 1', sealed)).toBe(text);
  expect(sealed.includes('hooks')).toBe(false);
  expect(seal(key, 'row 1', text).equals(sealed)).toBe(false);
  expect(unseal(key, '', seal(key, '', ''))).toBe('');
});

it('opens nothing for another row, purpose or secret, nor with any byte changed or missing', () => {
  const sealed = seal(key, 'row 1', text);
  expect(unseal(key, 'row 2', sealed)).toBeUndefined();
  expect(unseal(deriveKey(SECRET, 'test v2'), 'row 1', sealed)).toBeUndefined();
  expect(unseal(deriveKey(`${SECRET}!`, 'test v1'), 'row 1', sealed)).toBeUndefined();
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(unseal(key, 'row 1', changed), `byte ${at}`).toBeUndefined();
    expect(unseal(key, 'row 1', sealed.subarray(0, at)), `${at} bytes`).toBeUndefined();
  }
});
