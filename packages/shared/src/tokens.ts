import { hash } from 'node:crypto';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import { z } from 'zod';
import { Id, newId } from './ids.ts';

const ALGORITHM = 'EdDSA';
const TYPE = 'at+jwt'; // RFC 9068: an access token is not mistaken for any other JWT of ours
const ISSUER = 'millrace';
const AUDIENCE = 'millrace-api';
const CLOCK_TOLERANCE_SEC = 5;
/** About 400 bytes each. A person has one token at a time, so these are the people at work in 15 minutes. */
const MAX_VERIFIED = 10_000;
const NOT_A_JWKS = 'must be a JWKS ({"keys":[...]}) of private Ed25519 keys, each with a kid';

/** Private keys, newest first: the first signs, all verify, so that a key can be rotated without signing anyone out. */
export interface SigningKeys {
  current: { kid: string; privateKey: CryptoKey };
  publicKeys: Map<string, CryptoKey>;
  /** Tokens these keys have verified; other keys start with none. See `verifyAccessToken`. */
  verified: Map<string, AccessClaims>;
}

export interface AccessClaims {
  userId: string;
  sessionId: string;
  email: string;
  issuedAt: number;
  expiresAt: number;
}

/** Only these members count: others, such as the `key_ops` of an exported private key, would spoil its public half. */
const PrivateJwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
  kid: z.string().min(1),
});
type PrivateJwk = z.infer<typeof PrivateJwk>;
const Jwks = z.object({ keys: z.tuple([PrivateJwk], PrivateJwk).check(z.maxLength(8)) });
/** As `signAccessToken` writes them, narrower than the standard allows: one audience, times in whole seconds. */
const Claims = z.object({
  aud: z.literal(AUDIENCE),
  sub: Id,
  sid: Id,
  email: z.string(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
});

/** A fresh key set as JSON for `AUTH_SIGNING_KEYS`: one Ed25519 private key whose `kid` is its RFC 7638 thumbprint. */
export async function generateSigningKeys(): Promise<string> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  return JSON.stringify({ keys: [{ ...jwk, kid, alg: ALGORITHM, use: 'sig' }] });
}

/** Reads `AUTH_SIGNING_KEYS`, newest key first. Throws with a sentence that never repeats a key. */
export function readSigningKeys(text: string): [PrivateJwk, ...PrivateJwk[]] {
  const parsed = Jwks.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(NOT_A_JWKS);
  const { keys } = parsed.data;
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) throw new Error('holds the same kid twice');
  return keys;
}

/** The keys of `AUTH_SIGNING_KEYS`. Throws as `readSigningKeys` does, and for numbers that are no key. */
export async function loadSigningKeys(text: string): Promise<SigningKeys> {
  const keys = readSigningKeys(text);
  const publicKeys = new Map<string, CryptoKey>();
  for (const { d: _private, ...jwk } of keys) publicKeys.set(jwk.kid, await importKey(jwk));
  const [first] = keys;
  return { current: { kid: first.kid, privateKey: await importKey(first) }, publicKeys, verified: new Map() };
}

/**
 * Signs a short-lived access token. It names a user and a session and deliberately no organization and no role:
 * those are read at each request, so that a change counts at once.
 */
export async function signAccessToken(
  keys: SigningKeys,
  claims: Omit<AccessClaims, 'issuedAt' | 'expiresAt'>,
  options: { nowSec: number; ttlSec: number },
): Promise<string> {
  return new SignJWT({ sid: claims.sessionId, email: claims.email })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: keys.current.kid })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(claims.userId)
    .setJti(newId())
    .setIssuedAt(options.nowSec)
    .setExpirationTime(options.nowSec + options.ttlSec)
    .sign(keys.current.privateKey);
}

/**
 * The claims of a valid token; undefined for anything else, without saying why (a reason would help only an attacker).
 * That a signature is right never changes, so it is computed once for the tokens in use. Nothing else is remembered:
 * the times are compared at every call, and whether the session lives is for the database to say.
 */
export async function verifyAccessToken(
  keys: SigningKeys,
  token: string,
  nowSec: number,
): Promise<AccessClaims | undefined> {
  // By hash, so that memory holds no tokens and comparing keys tells nothing about them.
  const digest = hash('sha256', token, 'base64url');
  const known = keys.verified.get(digest);
  const claims = known ?? (await verifySignedClaims(keys, token, nowSec));
  if (!claims || !isTimely(claims, nowSec)) return undefined;
  remember(keys.verified, digest, claims);
  return claims;
}

async function verifySignedClaims(keys: SigningKeys, token: string, nowSec: number): Promise<AccessClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => publicKey(keys, kid), {
      algorithms: [ALGORITHM],
      typ: TYPE,
      issuer: ISSUER,
      audience: AUDIENCE,
      clockTolerance: CLOCK_TOLERANCE_SEC,
      currentDate: new Date(nowSec * 1000),
      requiredClaims: ['sub', 'sid', 'iat', 'exp', 'jti'],
    });
    const claims = Claims.parse(payload);
    return {
      userId: claims.sub,
      sessionId: claims.sid,
      email: claims.email,
      issuedAt: claims.iat,
      expiresAt: claims.exp,
    };
  } catch {
    return undefined;
  }
}

function isTimely({ issuedAt, expiresAt }: AccessClaims, nowSec: number): boolean {
  return issuedAt <= nowSec + CLOCK_TOLERANCE_SEC && expiresAt > nowSec - CLOCK_TOLERANCE_SEC;
}

/** Keeps the tokens used last: a Map goes through its keys in the order in which they were added. */
function remember(verified: Map<string, AccessClaims>, digest: string, claims: AccessClaims): void {
  verified.delete(digest);
  verified.set(digest, claims);
  if (verified.size <= MAX_VERIFIED) return;
  const [oldest = digest] = verified.keys();
  verified.delete(oldest);
}

/** Keys come from our own list by `kid` alone; a `jwk`, `jku` or `x5u` inside a token is never looked at. */
function publicKey(keys: SigningKeys, kid: string | undefined): CryptoKey {
  const key = kid === undefined ? undefined : keys.publicKeys.get(kid);
  if (!key) throw new Error('unknown kid');
  return key;
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  try {
    return (await importJWK({ ...jwk, use: 'sig' }, ALGORITHM)) as CryptoKey;
  } catch {
    throw new Error(`AUTH_SIGNING_KEYS ${NOT_A_JWKS}`); // the library's reason may quote the key
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
