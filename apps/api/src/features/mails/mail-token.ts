import { createHash, createHmac } from 'node:crypto';

/** Keeps these tokens apart from each other and from the others that come from the same key. */
const PURPOSES = {
  verify_email: 'millrace verify e-mail token v1',
  reset_password: 'millrace reset password token v1',
  invitation: 'millrace invitation token v1',
} as const;

export interface MailTokenOf {
  purpose: keyof typeof PURPOSES;
  /** Of the row that keeps the token's hash. */
  id: string;
  /** Rises when a new token takes the place of the one before. */
  generation: number;
}

/**
 * The token of a mailed link, 256 bits as base64url: HMAC-SHA256 over the purpose, the id and the number. It can be made
 * again from the server's key whenever the mail is sent, so no table has to hold it.
 */
export function makeMailToken(key: string, { purpose, id, generation }: MailTokenOf): string {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  return createHmac('sha256', key).update(PURPOSES[purpose]).update(id).update(number).digest('base64url');
}

/** What is stored of a token. It has 256 bits that nobody can guess, so a plain hash cannot be searched. */
export function hashMailToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * The token whose hash a row keeps, made again for its mail. Throws when the server's key is another one than when the hash
 * was stored: nobody could use the link.
 */
export function remakeMailToken(key: string, of: MailTokenOf, storedHash: Buffer): string {
  const token = makeMailToken(key, of);
  if (!hashMailToken(token).equals(storedHash))
    throw new Error('AUTH_TOKEN_SECRET has changed since the link was made');
  return token;
}

/** A page of the web app; the token stands in the fragment, which reaches no server, no log and no Referer. */
export function webLink(webBaseUrl: string, path: `/${string}`, token?: string): string {
  const url = new URL(webBaseUrl);
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  url.search = '';
  url.hash = token === undefined ? '' : `token=${token}`;
  return url.href;
}
