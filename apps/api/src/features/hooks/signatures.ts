import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { WebhookSignature } from '@millrace/workflow/triggers/webhook';

/** Proofs that a request comes from whoever has the secret, in the forms that senders use. */

export interface SignedRequest {
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** As it came: a body that was parsed and written again has another signature. */
  body: Buffer;
}

export type Refusal = 'no_secret' | 'no_signature' | 'wrong_signature' | 'wrong_time';

/** What a scheme reads out of a request: the proof must be among those given, and the time near now. */
interface Claim {
  given: Buffer[];
  expected: Buffer;
  /** Epoch seconds that are part of what was signed; absent where the scheme has none. */
  signedAt?: number;
}

type Scheme = WebhookSignature['scheme'];

const DEFAULT_TOLERANCE_SEC = 300;
const DEFAULT_HEADER = 'x-signature';
/** A Standard Webhooks secret that decodes to less is no key: an empty one would let anybody sign. */
const MIN_KEY_BYTES = 16;

/** Undefined for a request that is signed as the trigger asks. Without a secret nothing is: there is no "off". */
export function refuseSignature(
  signature: WebhookSignature,
  secret: string | undefined,
  request: SignedRequest,
  nowSec: number,
): Refusal | undefined {
  const key = secret === undefined ? undefined : readKey(signature.scheme, secret);
  if (key === undefined) return 'no_secret';
  const claim = CLAIMS[signature.scheme](request, key, headerOf(signature));
  if (claim === undefined) return 'no_signature';
  if (!claim.given.some((given) => isEqual(given, claim.expected))) return 'wrong_signature';
  const toleranceSec = ('toleranceSec' in signature ? signature.toleranceSec : undefined) ?? DEFAULT_TOLERANCE_SEC;
  const isOff = claim.signedAt !== undefined && Math.abs(nowSec - claim.signedAt) > toleranceSec;
  return isOff ? 'wrong_time' : undefined;
}

/** The header that carries a plain HMAC, in lower case. */
export function headerOf(signature: WebhookSignature): string {
  return (signature.scheme === 'hmac' ? signature.header : undefined)?.toLowerCase() ?? DEFAULT_HEADER;
}

function readKey(scheme: Scheme, secret: string): Buffer | undefined {
  if (scheme !== 'standard-webhooks') return Buffer.from(secret);
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return key.length < MIN_KEY_BYTES ? undefined : key;
}

const CLAIMS: Record<Scheme, (request: SignedRequest, key: Buffer, header: string) => Claim | undefined> = {
  // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  'standard-webhooks': ({ headers, body }, key) => {
    const [id, time] = [headers['webhook-id'], headers['webhook-timestamp']];
    const given = listOf(headers['webhook-signature'], ' ', 'v1,', 'base64');
    if (typeof id !== 'string' || typeof time !== 'string' || given.length === 0) return undefined;
    return { given, expected: hmac(key, `${id}.${time}.`, body), signedAt: toSeconds(time) };
  },
  // https://docs.stripe.com/webhooks#verify-manually
  stripe: ({ headers, body }, key) => {
    const header = headers['stripe-signature'];
    const time = /(?:^|,)t=(\d+)/.exec(typeof header === 'string' ? header : '')?.[1];
    const given = listOf(header, ',', 'v1=', 'hex');
    if (time === undefined || given.length === 0) return undefined;
    return { given, expected: hmac(key, `${time}.`, body), signedAt: toSeconds(time) };
  },
  // https://docs.slack.dev/authentication/verifying-requests-from-slack
  slack: ({ headers, body }, key) => {
    const time = headers['x-slack-request-timestamp'];
    const given = listOf(headers['x-slack-signature'], ' ', 'v0=', 'hex');
    if (typeof time !== 'string' || given.length === 0) return undefined;
    return { given, expected: hmac(key, `v0:${time}:`, body), signedAt: toSeconds(time) };
  },
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  github: ({ headers, body }, key) => {
    const given = listOf(headers['x-hub-signature-256'], ' ', 'sha256=', 'hex');
    return given.length === 0 ? undefined : { given, expected: hmac(key, '', body) };
  },
  hmac: ({ headers, body }, key, name) => {
    const header = headers[name];
    if (typeof header !== 'string') return undefined;
    const bare = header.trim().replace(/^sha256=/i, '');
    const given = [Buffer.from(bare, 'hex'), Buffer.from(bare, 'base64')];
    return { given, expected: hmac(key, '', body) };
  },
  // RFC 7617. Hashed first, so that the comparison takes one time whatever the length.
  basic: ({ headers }, key) => {
    const credentials = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(headers.authorization?.toString() ?? '')?.[1];
    if (credentials === undefined) return undefined;
    return { given: [sha256(Buffer.from(credentials, 'base64'))], expected: sha256(key) };
  },
};

/** The values with this prefix in a header that lists several: a sender who changes keys signs with both. */
function listOf(
  header: string | string[] | undefined,
  separator: string,
  prefix: string,
  encoding: BufferEncoding,
): Buffer[] {
  const parts = typeof header === 'string' ? header.split(separator) : [];
  return parts
    .map((part) => part.trim())
    .filter((part) => part.startsWith(prefix))
    .map((part) => Buffer.from(part.slice(prefix.length), encoding));
}

/** NaN, which is near nothing, is never answered: what is no number is the year 1970. */
function toSeconds(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}

function hmac(key: Buffer, before: string, body: Buffer): Buffer {
  return createHmac('sha256', key).update(before).update(body).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function isEqual(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}
