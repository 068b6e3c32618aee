import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { newId } from './ids.ts';
import { openTokenForge } from './testing-tokens.ts';
import { generateSigningKeys, loadSigningKeys, signAccessToken, verifyAccessToken } from './tokens.ts';

const NOW = 1_800_000_000;
const keysText = await generateSigningKeys();
const jwk = JSON.parse(keysText).keys[0];
const keys = await loadSigningKeys(keysText);
const otherText = await generateSigningKeys();

const claims = { userId: newId(), sessionId: newId(), email: 'ada@example.com' };
const { good, bad, header: HEADER, payload: PAYLOAD, withClaims } = openTokenForge(keysText, claims, NOW);
const verify = (token: string) => verifyAccessToken(keys, token, NOW);
const [goodHeader = '', , goodSignature = ''] = good.split('.');

const BAD_TOKENS: [name: string, token: string][] = [
  ...bad,
  ['issued just beyond the tolerance', withClaims({ iat: NOW + 6, exp: NOW + 906 })],
  ['spaces around', ` ${good} `],
  ['a line break inside', good.replace('.', '.\n')],
  ['padding, which base64url has not', good.replace(goodHeader, `${goodHeader}==`)],
  ['nothing', ''],
];

it('accepts what it signed, and answers exactly its claims', async () => {
  const token = await signAccessToken(keys, claims, { nowSec: NOW, ttlSec: 900 });
  expect(await verify(token)).toEqual({ ...claims, issuedAt: NOW, expiresAt: NOW + 900 });
  expect(await verify(good)).toEqual({ ...claims, issuedAt: NOW, expiresAt: NOW + 900 });
});

it('A5: names a user and a session in the token, no organization and no role', async () => {
  const token = await signAccessToken(keys, claims, { nowSec: NOW, ttlSec: 900 });
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  expect(JSON.parse(header ?? '')).toEqual(HEADER);
  expect(JSON.parse(payload ?? '')).toEqual({ ...PAYLOAD, jti: expect.any(String) });
});

it('A5: tries at least 60 different forgeries', () => {
  expect(new Set(BAD_TOKENS.map(([, token]) => token)).size).toBeGreaterThanOrEqual(60);
  expect(BAD_TOKENS.every(([, token]) => token !== good)).toBe(true);
});

it.each(BAD_TOKENS)('A5: refuses a token with %s', async (_name, token) => {
  expect(await verify(token)).toBeUndefined();
});

it('A5: refuses a token in which any one character was changed', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ '.split('');
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.constantFrom(...alphabet), async (index, char) => {
      fc.pre(good[index] !== char);
      const changed = good.slice(0, index) + char + good.slice(index + 1);
      // The last character carries four bits that no byte uses: another spelling of the same signature is the same token.
      const isSameBytes = Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(
        Buffer.from(goodSignature, 'base64url'),
      );
      fc.pre(!(index === good.length - 1 && isSameBytes));
      expect(await verify(changed)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

it('A5: tolerates 5 seconds of clock difference and no more', async () => {
  expect(await verify(withClaims({ iat: NOW - 900, exp: NOW - 4 }))).toBeDefined();
  expect(await verify(withClaims({ iat: NOW + 5 }))).toBeDefined();
});

it('A5: verifies with every key of the set during a rotation, and signs with the first', async () => {
  const newer = JSON.parse(otherText).keys[0];
  const rotated = await loadSigningKeys(JSON.stringify({ keys: [newer, jwk] }));
  expect(await verifyAccessToken(rotated, good, NOW)).toBeDefined();
  const token = await signAccessToken(rotated, claims, { nowSec: NOW, ttlSec: 900 });
  expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid).toBe(newer.kid);
  expect(await verifyAccessToken(rotated, token, NOW)).toBeDefined();
  expect(await verify(token)).toBeUndefined();
});

it('A5: a token that was verified before still expires, and its keys alone know it', async () => {
  const fresh = await loadSigningKeys(keysText);
  const token = withClaims({ jti: newId() });
  const at = (nowSec: number) => verifyAccessToken(fresh, token, nowSec);
  expect(await at(NOW)).toMatchObject({ userId: claims.userId });
  expect(await at(NOW + 904)).toMatchObject({ userId: claims.userId });
  expect(await at(NOW + 905)).toBeUndefined();
  expect(await at(NOW - 5)).toBeDefined();
  expect(await at(NOW - 6)).toBeUndefined();
  expect(await verifyAccessToken(await loadSigningKeys(otherText), token, NOW)).toBeUndefined();
});

it('remembers verified tokens by hash, never one that was refused, and at most 10000, the ones used last', async () => {
  const fresh = await loadSigningKeys(keysText);
  const used = withClaims({ jti: newId() });
  await verifyAccessToken(fresh, used, NOW);
  const [digest = ''] = fresh.verified.keys();
  expect(digest).toBe(createHash('sha256').update(used).digest('base64url'));
  for (const [, token] of BAD_TOKENS) await verifyAccessToken(fresh, token, NOW);
  await verifyAccessToken(fresh, used, NOW + 10_000);
  expect([...fresh.verified.keys()]).toEqual([digest]);
  const known = { ...claims, issuedAt: NOW, expiresAt: NOW + 900 };
  for (let index = 1; index < 10_000; index++) fresh.verified.set(`filler ${index}`, known);
  await verifyAccessToken(fresh, used, NOW); // used again, so the oldest filler goes first
  await verifyAccessToken(fresh, withClaims({ jti: newId() }), NOW);
  expect(fresh.verified.size).toBe(10_000);
  expect(fresh.verified.has(digest)).toBe(true);
  expect(fresh.verified.has('filler 1')).toBe(false);
});

it('takes keys as other programs export them, with key_ops and use', async () => {
  const exported = { ...jwk, key_ops: ['sign'], ext: true, use: 'sig' };
  const loaded = await loadSigningKeys(JSON.stringify({ keys: [exported] }));
  expect(await verifyAccessToken(loaded, good, NOW)).toBeDefined();
});

const { d: _d, ...publicJwk } = jwk;
it.each([
  ['no JSON', 'secret-canary'],
  ['no list', JSON.stringify({ keys: { d: 'secret-canary' } })],
  ['an empty list', JSON.stringify({ keys: [] })],
  ['a single key', JSON.stringify({ ...jwk, d: 'secret-canary' })],
  ['a public key', JSON.stringify({ keys: [publicJwk] })],
  ['a key without kid', JSON.stringify({ keys: [{ ...jwk, kid: undefined, d: 'secret-canary' }] })],
  ['another curve', JSON.stringify({ keys: [{ ...jwk, crv: 'X25519', d: 'secret-canary' }] })],
  ['a broken private key', JSON.stringify({ keys: [{ ...jwk, d: 'secret-canary' }] })],
  ['a broken public half', JSON.stringify({ keys: [{ ...jwk, x: 'secret-canary' }] })],
  ['one kid twice', JSON.stringify({ keys: [jwk, { ...JSON.parse(otherText).keys[0], kid: jwk.kid }] })],
  ['nine keys', JSON.stringify({ keys: Array(9).fill(jwk) })],
])('refuses a key set that is %s, and does not repeat it', async (_name, text) => {
  const error = await loadSigningKeys(text).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  const { message, stack, cause } = error as Error;
  expect(message).toMatch(/^(AUTH_SIGNING_KEYS )?must be a JWKS|^holds the same kid twice$/);
  expect(`${stack} ${cause}`).not.toContain('secret-canary');
  expect(`${stack} ${cause}`).not.toContain(jwk.d);
});
