import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/**
 * Texts that a table must keep and whoever reads the table must not: AES-256-GCM, as IV, tag, ciphertext. Each is bound to
 * the row it belongs to, so that it opens nowhere else.
 */

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
/** Said on opening too: without it Node takes a tag of 4 bytes, which can be guessed. */
const TAG_BYTES = 16;

/** A key of 32 bytes for one purpose, by HKDF-SHA256: what `purpose` names is kept apart from all else of this secret. */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
}

/** Seals differently each time. `boundTo` is not kept: it must be said again to open. */
export function seal(key: Buffer, boundTo: string | Buffer, text: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(boundTo));
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

/** Undefined unless `sealed` was made with this key for this very `boundTo`. */
export function unseal(key: Buffer, boundTo: string | Buffer, sealed: Buffer): string | undefined {
  const [iv, tag] = [sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  try {
    const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(boundTo));
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
