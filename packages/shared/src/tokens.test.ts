import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { newId } from './ids.ts';
import { generateSigningKeys, loadSigningKeys, signAccessToken, verifyAccessToken } from './tokens.ts';

const NOW = 1_800_000_000;
const keysText = await generateSigningKeys();
const jwk = JSON.parse(keysText).keys[0];
const keys = await loadSigningKeys(keysText);
const otherText = await generateSigningKeys();
const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
const publicKey = createPublicKey(privateKey);
const stranger = generateKeyPairSync('ed25519');
const strangerJwk = { ...stranger.publicKey.export({ format: 'jwk' }), kid: jwk.kid };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

const claims = { userId: newId(), sessionId: newId(), email: 'ada@example.com' };
const HEADER = { alg: 'EdDSA', typ: 'at+jwt', kid: jwk.kid };
const PAYLOAD = {
  iss: 'millrace',
  aud: 'millrace-api',
  sub: claims.userId,
  sid: claims.sessionId,
  email: claims.email,
  jti: newId(),
  iat: NOW,
  exp: NOW + 900,
};

const encode = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
/** A token with this header and payload, signed by our key unless told otherwise; undefined members are left out. */
function forge(header: unknown, payload: unknown, key: KeyObject = privateKey): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}
function forgeHmac(header: object, secret: string | Buffer): string {
  const input = `${encode(header)}.${encode(PAYLOAD)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}
const withHeader = (header: object) => forge({ ...HEADER, ...header }, PAYLOAD);
const withClaims = (payload: object) => forge(HEADER, { ...PAYLOAD, ...payload });
const verify = (token: string) => verifyAccessToken(keys, token, NOW);

const good = forge(HEADER, PAYLOAD);
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.');
const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const rawPublic = Buffer.from(jwk.x, 'base64url');

const BAD_TOKENS: [name: string, token: string][] = [
  ['alg none, no signature', `${encode({ ...HEADER, alg: 'none' })}.${goodPayload}.`],
  ['alg None', `${encode({ ...HEADER, alg: 'None' })}.${goodPayload}.`],
  ['alg NONE, signature kept', `${encode({ ...HEADER, alg: 'NONE' })}.${goodPayload}.${goodSignature}`],
  ['alg none, properly signed', withHeader({ alg: 'none' })],
  ['no alg', withHeader({ alg: undefined })],
  ['alg null', withHeader({ alg: null })],
  ['alg as a list', withHeader({ alg: ['EdDSA'] })],
  ['alg in lower case', withHeader({ alg: 'eddsa' })],
  ['alg empty', withHeader({ alg: '' })],
  ['alg Ed25519, the newer name of the same thing', withHeader({ alg: 'Ed25519' })],
  ['alg ES256', withHeader({ alg: 'ES256' })],
  ['alg RS256, signed with RSA', forgeRsa()],
  ['HS256 with the raw public key', forgeHmac({ ...HEADER, alg: 'HS256' }, rawPublic)],
  ['HS256 with the public key as PEM', forgeHmac({ ...HEADER, alg: 'HS256' }, pem)],
  ['HS256 with the x of the key', forgeHmac({ ...HEADER, alg: 'HS256' }, jwk.x)],
  ['HS256 with an empty secret', forgeHmac({ ...HEADER, alg: 'HS256' }, '')],
  ['EdDSA with an HMAC as signature', forgeHmac(HEADER, pem)],
  ['the key of a stranger', forge(HEADER, PAYLOAD, stranger.privateKey)],
  ['a key that the token brings', forge({ ...HEADER, jwk: strangerJwk }, PAYLOAD, stranger.privateKey)],
  [
    'a key that the token brings, without kid',
    forge({ ...HEADER, kid: undefined, jwk: strangerJwk }, PAYLOAD, stranger.privateKey),
  ],
  ['a key to be fetched by jku', forge({ ...HEADER, jku: 'http://127.0.0.1:9/jwks' }, PAYLOAD, stranger.privateKey)],
  ['a key to be fetched by x5u', forge({ ...HEADER, x5u: 'http://127.0.0.1:9/x5u' }, PAYLOAD, stranger.privateKey)],
  ['a certificate in x5c', forge({ ...HEADER, x5c: ['MIIB'] }, PAYLOAD, stranger.privateKey)],
  ['no kid', withHeader({ kid: undefined })],
  ['an unknown kid', withHeader({ kid: 'other' })],
  ['an empty kid', withHeader({ kid: '' })],
  ['a kid that is a path', withHeader({ kid: '../../../../dev/null' })],
  ['a kid that is SQL', withHeader({ kid: "' OR 1=1 --" })],
  ['a kid on the prototype', withHeader({ kid: '__proto__' })],
  ['a kid that is a method', withHeader({ kid: 'constructor' })],
  ['a kid as a list', withHeader({ kid: [jwk.kid] })],
  ['a kid as a number', withHeader({ kid: 1 })],
  ['no typ', withHeader({ typ: undefined })],
  ['typ JWT', withHeader({ typ: 'JWT' })],
  ['typ of an ID token', withHeader({ typ: 'id+jwt' })],
  ['typ of a refresh token', withHeader({ typ: 'rt+jwt' })],
  ['an unknown critical extension', withHeader({ crit: ['exp'], exp: NOW + 900 })],
  ['critical b64=false', withHeader({ crit: ['b64'], b64: false })],
  ['another issuer', withClaims({ iss: 'https://evil.example' })],
  ['no issuer', withClaims({ iss: undefined })],
  ['an issuer list', withClaims({ iss: ['millrace'] })],
  ['another audience', withClaims({ aud: 'millrace-web' })],
  ['no audience', withClaims({ aud: undefined })],
  ['an empty audience list', withClaims({ aud: [] })],
  ['no subject', withClaims({ sub: undefined })],
  ['a subject that is no UUID', withClaims({ sub: 'admin' })],
  ['a numeric subject', withClaims({ sub: 1 })],
  ['no session', withClaims({ sid: undefined })],
  ['a session that is no UUID', withClaims({ sid: '1' })],
  ['no e-mail', withClaims({ email: undefined })],
  ['no jti', withClaims({ jti: undefined })],
  ['a numeric jti', withClaims({ jti: 7 })],
  ['no issue time', withClaims({ iat: undefined })],
  ['issued in the future', withClaims({ iat: NOW + 6, exp: NOW + 906 })],
  ['issued far in the future', withClaims({ iat: NOW + 86_400, exp: NOW + 90_000 })],
  ['an issue time as text', withClaims({ iat: String(NOW) })],
  ['no expiry', withClaims({ exp: undefined })],
  ['expired just beyond the tolerance', withClaims({ iat: NOW - 900, exp: NOW - 5 })],
  ['expired long ago', withClaims({ iat: 1, exp: 2 })],
  ['an expiry as text', withClaims({ exp: String(NOW + 900) })],
  ['an expiry of null', withClaims({ exp: null })],
  ['a negative expiry', withClaims({ exp: -1 })],
  ['not valid yet', withClaims({ nbf: NOW + 60 })],
  ['a payload that is a list', forge(HEADER, [PAYLOAD])],
  ['a payload that is null', forge(HEADER, 'null')],
  ['a payload that is no JSON', forge(HEADER, 'claims')],
  ['a header that is no JSON', forge('header', PAYLOAD)],
  ['the signature cut off', `${goodHeader}.${goodPayload}.`],
  ['the signature left out', `${goodHeader}.${goodPayload}`],
  ['the signature cut short', good.slice(0, -10)],
  ['a zero signature', `${goodHeader}.${goodPayload}.${Buffer.alloc(64).toString('base64url')}`],
  ['the signature of another payload', `${goodHeader}.${goodPayload}.${withClaims({ sub: newId() }).split('.')[2]}`],
  ['another payload under the signature', `${goodHeader}.${encode({ ...PAYLOAD, sub: newId() })}.${goodSignature}`],
  ['a fourth part', `${good}.${goodSignature}`],
  ['five parts, as encrypted tokens have', `${good}.a.b`],
  ['spaces around', ` ${good} `],
  ['a line break inside', good.replace('.', '.\n')],
  ['only dots', '..'],
  ['nothing', ''],
  ['a JSON serialization', JSON.stringify({ protected: goodHeader, payload: goodPayload, signature: goodSignature })],
  ['an API key', 'mr_0123456789abcdef0123456789abcdef'],
];

function forgeRsa(): string {
  const input = `${encode({ ...HEADER, alg: 'RS256' })}.${goodPayload || encode(PAYLOAD)}`;
  return `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`;
}

it('accepts what it signed, and answers exactly its claims', async () => {
  const token = await signAccessToken(keys, claims, { nowSec: NOW, ttlSec: 900 });
  expect(await verify(token)).toEqual({ ...claims, issuedAt: NOW, expiresAt: NOW + 900 });
  expect(await verify(good)).toEqual({ ...claims, issuedAt: NOW, expiresAt: NOW + 900 });
});

it('names a user and a session in the token, no organization and no role', async () => {
  const token = await signAccessToken(keys, claims, { nowSec: NOW, ttlSec: 900 });
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  expect(JSON.parse(header ?? '')).toEqual(HEADER);
  expect(JSON.parse(payload ?? '')).toEqual({ ...PAYLOAD, jti: expect.any(String) });
});

it('tries at least 60 different forgeries', () => {
  expect(new Set(BAD_TOKENS.map(([, token]) => token)).size).toBeGreaterThanOrEqual(60);
  expect(BAD_TOKENS.every(([, token]) => token !== good)).toBe(true);
});

it.each(BAD_TOKENS)('refuses a token with %s', async (_name, token) => {
  expect(await verify(token)).toBeUndefined();
});

it('refuses a token in which any one character was changed', async () => {
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

it('tolerates 5 seconds of clock difference and no more', async () => {
  expect(await verify(withClaims({ iat: NOW - 900, exp: NOW - 4 }))).toBeDefined();
  expect(await verify(withClaims({ iat: NOW + 5 }))).toBeDefined();
});

it('verifies with every key of the set during a rotation, and signs with the first', async () => {
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
  expect(message).toMatch(/^AUTH_SIGNING_KEYS /);
  expect(`${stack} ${cause}`).not.toContain('secret-canary');
  expect(`${stack} ${cause}`).not.toContain(jwk.d);
});
