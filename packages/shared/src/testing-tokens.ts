/** Access tokens that must be refused, each wrong in one way: what an attacker without our key, or with a bug of ours, could send. */
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { newId } from './ids.ts';

type NamedToken = [name: string, token: string];

export interface TokenForge {
  /** As `signAccessToken` makes it. */
  good: string;
  header: { alg: string; typ: string; kid: string };
  payload: Record<string, unknown>;
  /** Signed by our key; undefined members are left out. */
  withHeader(header: object): string;
  withClaims(claims: object): string;
  bad: NamedToken[];
}

/** Makes forgeries of tokens for these claims around `nowSec`; they stay wrong for at least 25 s from then on. */
export function openTokenForge(
  keysText: string,
  claims: { userId: string; sessionId: string; email: string },
  nowSec: number,
): TokenForge {
  const jwk = JSON.parse(keysText).keys[0];
  const ours = createPrivateKey({ key: jwk, format: 'jwk' });
  const header = { alg: 'EdDSA', typ: 'at+jwt', kid: jwk.kid };
  const payload = {
    iss: 'millrace',
    aud: 'millrace-api',
    sub: claims.userId,
    sid: claims.sessionId,
    email: claims.email,
    jti: newId(),
    iat: nowSec,
    exp: nowSec + 900,
  };
  const parts: Parts = {
    header,
    payload,
    publicX: jwk.x,
    nowSec,
    good: forge(header, payload, ours),
    forge: (otherHeader, otherPayload, key = ours) => forge(otherHeader, otherPayload, key),
    withHeader: (other) => forge({ ...header, ...other }, payload, ours),
    withClaims: (other) => forge(header, { ...payload, ...other }, ours),
  };
  const pem = createPublicKey(ours).export({ type: 'spki', format: 'pem' }) as string;
  const bad = [
    ...wrongAlgorithms(parts, pem),
    ...foreignKeys(parts),
    ...wrongHeaders(parts),
    ...wrongClaims(parts),
    ...wrongTimes(parts),
    ...wrongShapes(parts),
  ];
  return { good: parts.good, header, payload, withHeader: parts.withHeader, withClaims: parts.withClaims, bad };
}

interface Parts {
  header: { alg: string; typ: string; kid: string };
  payload: Record<string, unknown>;
  publicX: string;
  nowSec: number;
  good: string;
  forge(header: unknown, payload: unknown, key?: KeyObject): string;
  withHeader(header: object): string;
  withClaims(claims: object): string;
}

function encode(part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

function forge(header: unknown, payload: unknown, key: KeyObject): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}

function wrongAlgorithms({ header, payload, publicX, good, withHeader }: Parts, pem: string): NamedToken[] {
  const [, body = '', signature = ''] = good.split('.');
  const unsigned = (alg: unknown) => `${encode({ ...header, alg })}.${body}`;
  const hmac = (alg: string, secret: string | Buffer, hash = 'sha256') =>
    `${unsigned(alg)}.${createHmac(hash, secret).update(unsigned(alg)).digest('base64url')}`;
  const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const signedBy = (alg: string, key: KeyObject) =>
    `${unsigned(alg)}.${sign('sha256', Buffer.from(unsigned(alg)), key).toString('base64url')}`;
  return [
    ['alg none, no signature', `${unsigned('none')}.`],
    ['alg None', `${unsigned('None')}.`],
    ['alg nOnE', `${unsigned('nOnE')}.`],
    ['alg NONE, signature kept', `${unsigned('NONE')}.${signature}`],
    ['alg none, properly signed', withHeader({ alg: 'none' })],
    ['no alg', withHeader({ alg: undefined })],
    ['alg null', withHeader({ alg: null })],
    ['alg as a list', withHeader({ alg: ['EdDSA'] })],
    ['alg in lower case', withHeader({ alg: 'eddsa' })],
    ['alg empty', withHeader({ alg: '' })],
    ['alg Ed25519, the newer name of the same thing', withHeader({ alg: 'Ed25519' })],
    ['alg ES256 over our signature', withHeader({ alg: 'ES256' })],
    ['alg ES256, signed with another curve', signedBy('ES256', ecKey)],
    ['alg RS256, signed with RSA', signedBy('RS256', rsaKey)],
    ['alg PS256, signed with RSA', signedBy('PS256', rsaKey)],
    ['HS256 with the raw public key', hmac('HS256', Buffer.from(publicX, 'base64url'))],
    ['HS256 with the public key as PEM', hmac('HS256', pem)],
    ['HS256 with the public key as DER', hmac('HS256', createPublicKey(pem).export({ type: 'spki', format: 'der' }))],
    ['HS256 with the public key as JWK', hmac('HS256', JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: publicX }))],
    ['HS256 with the x of the key', hmac('HS256', publicX)],
    ['HS512 with the public key as PEM', hmac('HS512', pem, 'sha512')],
    ['HS256 with an empty secret', hmac('HS256', '')],
    ['HS256 with the kid', hmac('HS256', header.kid)],
    ['EdDSA with an HMAC as signature', hmac('EdDSA', pem)],
    ['a payload over which only the header was changed', `${unsigned('EdDSA ')}.${encode(payload)}`],
  ];
}

function foreignKeys({ header, payload, forge: forged }: Parts): NamedToken[] {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: header.kid };
  const with_ = (other: object) => forged({ ...header, ...other }, payload, privateKey);
  return [
    ['the key of a stranger', with_({})],
    ['a key that the token brings', with_({ jwk })],
    ['a key that the token brings, without kid', with_({ kid: undefined, jwk })],
    ['a key that the token brings, under a name of its own', with_({ kid: 'mine', jwk: { ...jwk, kid: 'mine' } })],
    ['a key set that the token brings', with_({ jwks: { keys: [jwk] } })],
    ['a key to be fetched by jku', with_({ jku: 'http://127.0.0.1:9/jwks' })],
    ['a key to be read from a file by jku', with_({ jku: 'file:///dev/null' })],
    ['a key to be fetched by x5u', with_({ x5u: 'http://127.0.0.1:9/x5u' })],
    ['a certificate in x5c', with_({ x5c: ['MIIB'] })],
    ['the thumbprint of a certificate', with_({ x5t: 'AAAA', 'x5t#S256': 'AAAA' })],
  ];
}

function wrongHeaders({ header, nowSec, withHeader }: Parts): NamedToken[] {
  return [
    ['no kid', withHeader({ kid: undefined })],
    ['an unknown kid', withHeader({ kid: 'other' })],
    ['an empty kid', withHeader({ kid: '' })],
    ['a kid that is a path', withHeader({ kid: '../../../../dev/null' })],
    ['a kid that is SQL', withHeader({ kid: "' OR 1=1 --" })],
    ['a kid on the prototype', withHeader({ kid: '__proto__' })],
    ['a kid that is a method', withHeader({ kid: 'constructor' })],
    ['a kid as a list', withHeader({ kid: [header.kid] })],
    ['a kid as a number', withHeader({ kid: 1 })],
    ['a kid with a NUL behind it', withHeader({ kid: `${header.kid}\u0000` })],
    ['no typ', withHeader({ typ: undefined })],
    ['typ JWT', withHeader({ typ: 'JWT' })],
    ['typ of an ID token', withHeader({ typ: 'id+jwt' })],
    ['typ of a refresh token', withHeader({ typ: 'rt+jwt' })],
    ['typ as a list', withHeader({ typ: ['at+jwt'] })],
    ['an unknown critical extension', withHeader({ crit: ['exp'], exp: nowSec + 900 })],
    ['an empty list of critical extensions', withHeader({ crit: [] })],
    ['critical b64=false', withHeader({ crit: ['b64'], b64: false })],
  ];
}

function wrongClaims({ payload, withClaims }: Parts): NamedToken[] {
  return [
    ['another issuer', withClaims({ iss: 'https://evil.example' })],
    ['an issuer in another case', withClaims({ iss: 'Millrace' })],
    ['no issuer', withClaims({ iss: undefined })],
    ['an issuer list', withClaims({ iss: ['millrace'] })],
    ['another audience', withClaims({ aud: 'millrace-web' })],
    ['no audience', withClaims({ aud: undefined })],
    ['an empty audience list', withClaims({ aud: [] })],
    ['our audience in a list', withClaims({ aud: ['millrace-api'] })],
    ['our audience among others', withClaims({ aud: ['evil', 'millrace-api'] })],
    ['no subject', withClaims({ sub: undefined })],
    ['a subject that is no UUID', withClaims({ sub: 'admin' })],
    ['a numeric subject', withClaims({ sub: 1 })],
    ['a list of subjects', withClaims({ sub: [payload.sub] })],
    ['no session', withClaims({ sid: undefined })],
    ['a session that is no UUID', withClaims({ sid: '1' })],
    ['an object as session', withClaims({ sid: { $ne: null } })],
    ['no e-mail', withClaims({ email: undefined })],
    ['no jti', withClaims({ jti: undefined })],
    ['a numeric jti', withClaims({ jti: 7 })],
  ];
}

function wrongTimes({ nowSec, withClaims }: Parts): NamedToken[] {
  return [
    ['no issue time', withClaims({ iat: undefined })],
    ['issued in the future', withClaims({ iat: nowSec + 60, exp: nowSec + 960 })],
    ['issued far in the future', withClaims({ iat: nowSec + 86_400, exp: nowSec + 90_000 })],
    ['an issue time as text', withClaims({ iat: String(nowSec) })],
    ['an issue time with a fraction', withClaims({ iat: nowSec - 0.5 })],
    ['no expiry', withClaims({ exp: undefined })],
    ['expired just beyond the tolerance', withClaims({ iat: nowSec - 900, exp: nowSec - 5 })],
    ['expired long ago', withClaims({ iat: 1, exp: 2 })],
    ['an expiry as text', withClaims({ exp: String(nowSec + 900) })],
    ['an expiry of null', withClaims({ exp: null })],
    ['a negative expiry', withClaims({ exp: -1 })],
    ['an expiry with a fraction', withClaims({ exp: nowSec + 900.5 })],
    ['an expiry beyond all numbers', withClaims({ exp: 1e300 })],
    ['not valid yet', withClaims({ nbf: nowSec + 60 })],
    ['a start as text', withClaims({ nbf: '0' })],
  ];
}

function wrongShapes({ header, payload, good, forge: forged, withClaims }: Parts): NamedToken[] {
  const [head = '', body = '', signature = ''] = good.split('.');
  const other = newId();
  return [
    ['a payload that is a list', forged(header, [payload])],
    ['a payload that is null', forged(header, 'null')],
    ['a payload that is no JSON', forged(header, 'claims')],
    ['a header that is no JSON', forged('header', payload)],
    ['a header that is a list', forged([header], payload)],
    ['the signature cut off', `${head}.${body}.`],
    ['the signature left out', `${head}.${body}`],
    ['the signature cut short', good.slice(0, -10)],
    ['a longer signature', `${good}AAAA`],
    ['a zero signature', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
    ['the signature of another payload', `${head}.${body}.${withClaims({ sub: other }).split('.')[2]}`],
    ['another payload under the signature', `${head}.${encode({ ...payload, sub: other })}.${signature}`],
    ['header and payload swapped', `${body}.${head}.${signature}`],
    ['no header', `.${body}.${signature}`],
    ['no payload', `${head}..${signature}`],
    ['a fourth part', `${good}.${signature}`],
    ['five parts, as encrypted tokens have', `${good}.a.b`],
    ['only dots', '..'],
    ['a JSON serialization', JSON.stringify({ protected: head, payload: body, signature })],
    ['an API key', `mr_${Buffer.alloc(32, 7).toString('base64url')}`],
  ];
}
