import { expect, it } from 'vitest';
import { hashSecret, openVerifier, randomText, sealVerifier } from './flow-secrets.ts';

const SECRET = 'a secret of the server, long enough';
const flow = { stateHash: hashSecret('state'), provider: 'google' } as const;

it('opens what it sealed, and seals the same text differently each time', () => {
  const verifier = randomText();
  const sealed = sealVerifier(SECRET, flow, verifier);
  expect(openVerifier(SECRET, flow, sealed)).toBe(verifier);
  expect(sealVerifier(SECRET, flow, verifier).equals(sealed)).toBe(false);
  expect(sealed.includes(verifier)).toBe(false);
});

it('opens nothing for another flow, another provider or another secret, nor with any byte changed or missing', () => {
  const sealed = sealVerifier(SECRET, flow, randomText());
  expect(openVerifier(SECRET, { ...flow, stateHash: hashSecret('other') }, sealed)).toBeUndefined();
  expect(openVerifier(SECRET, { ...flow, provider: 'github' }, sealed)).toBeUndefined();
  expect(openVerifier(`${SECRET}!`, flow, sealed)).toBeUndefined();
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(openVerifier(SECRET, flow, changed), `byte ${at}`).toBeUndefined();
    expect(openVerifier(SECRET, flow, sealed.subarray(0, at)), `${at} bytes`).toBeUndefined();
  }
});
