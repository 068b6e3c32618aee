import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Id } from '@millrace/shared/ids';

/**
 * The refresh token is `<session id>.<secret>`. Its secret can be made again from the server's key and the row, so that
 * a client whose answer got lost is given the very same successor; the row alone, with its hash and salt, makes nothing.
 */
export interface RefreshToken {
  sessionId: string;
  secret: Buffer;
}

export interface RefreshGeneration {
  sessionId: string;
  salt: Buffer;
  generation: number;
}

/** Keeps these secrets apart from other tokens that come from the same key. */
const PURPOSE = 'millrace refresh token v1';

/** The secret of one generation, 32 bytes: HMAC-SHA256 over the purpose, the session id, the salt and the number. */
export function makeRefreshSecret(key: string, { sessionId, salt, generation }: RefreshGeneration): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  return createHmac('sha256', key).update(PURPOSE).update(sessionId).update(salt).update(number).digest();
}

/** What the row keeps of a secret. Plain SHA-256 is enough: the secret has 256 bits, nothing to guess. */
export function hashRefreshSecret(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function writeRefreshToken({ sessionId, secret }: RefreshToken): string {
  return `${sessionId}.${secret.toString('base64url')}`;
}

/** The parts of a token; undefined for text that no server of ours can have written. */
export function readRefreshToken(text: string): RefreshToken | undefined {
  const match = /^([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})$/.exec(text);
  const sessionId = Id.safeParse(match?.[1]);
  if (!match?.[2] || !sessionId.success) return undefined;
  return { sessionId: sessionId.data, secret: Buffer.from(match[2], 'base64url') };
}

/**
 * Which generation a presented secret is: the newest (its hash is stored), the one before it (made again from the key),
 * or anything else: older, or never issued.
 */
export function judgeRefreshSecret(
  key: string,
  secret: Buffer,
  row: RefreshGeneration & { hash: Buffer },
): 'current' | 'previous' | 'other' {
  if (timingSafeEqual(hashRefreshSecret(secret), row.hash)) return 'current';
  if (row.generation === 0) return 'other';
  const previous = makeRefreshSecret(key, { ...row, generation: row.generation - 1 });
  return timingSafeEqual(secret, previous) ? 'previous' : 'other';
}
