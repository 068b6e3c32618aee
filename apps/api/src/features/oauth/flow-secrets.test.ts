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

it('opens nothing for another flow, another provider or another secret', () => {
  const sealed = sealVerifier(SECRET, flow, randomText());
  expect(openVerifier(SECRET, { ...flow, stateHash: hashSecret('other') }, sealed)).toBeUndefined();
  expect(openVerifier(SECRET, { ...flow, provider: 'github' }, sealed)).toBeUndefined();
  expect(openVerifier(`${SECRET}!`, flow, sealed)).toBeUndefined();
});
