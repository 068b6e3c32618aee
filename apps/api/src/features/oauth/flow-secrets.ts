import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';

/** How long a person may take at the provider. */
export const FLOW_LIFETIME_SEC = 600;

/** Keeps this key apart from others that come from the same secret. */
const PURPOSE = 'millrace oauth verifier v1';
const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
/** Said on opening too: without it Node takes a tag of 4 bytes, which can be guessed. */
const TAG_BYTES = 16;

/** What a sealed verifier belongs to: moved to another flow, it does not open. */
interface FlowName {
  stateHash: Buffer;
  provider: OAuthProvider;
}

/** 256 random bits as 43 characters, for states, nonces, verifiers and browsers. */
export function randomText(): string {
  return randomBytes(32).toString('base64url');
}

/** What is stored of a state or a browser. Both have 256 random bits, so a plain hash cannot be searched. */
export function hashSecret(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** AES-256-GCM, as IV, tag, ciphertext: whoever reads the table cannot finish a sign-in under way. */
export function sealVerifier(secret: string, flow: FlowName, verifier: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, sealingKey(secret), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(flow));
  const ciphertext = Buffer.concat([cipher.update(verifier, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

/** Undefined unless `sealed` was made with this secret for this very flow. */
export function openVerifier(secret: string, flow: FlowName, sealed: Buffer): string | undefined {
  const [iv, tag] = [sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  try {
    const decipher = createDecipheriv(CIPHER, sealingKey(secret), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(flow));
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function sealingKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, 32));
}

function boundTo({ stateHash, provider }: FlowName): Buffer {
  return Buffer.concat([stateHash, Buffer.from(provider)]);
}
