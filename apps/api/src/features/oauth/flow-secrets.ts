import { createHash, randomBytes } from 'node:crypto';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { deriveKey, seal, unseal } from '@millrace/shared/sealing';

/** How long a person may take at the provider. */
export const FLOW_LIFETIME_SEC = 600;

const PURPOSE = 'millrace oauth verifier v1';

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

/** Whoever reads the table cannot finish a sign-in under way. */
export function sealVerifier(secret: string, flow: FlowName, verifier: string): Buffer {
  return seal(deriveKey(secret, PURPOSE), boundTo(flow), verifier);
}

/** Undefined unless `sealed` was made with this secret for this very flow. */
export function openVerifier(secret: string, flow: FlowName, sealed: Buffer): string | undefined {
  return unseal(deriveKey(secret, PURPOSE), boundTo(flow), sealed);
}

function boundTo({ stateHash, provider }: FlowName): Buffer {
  return Buffer.concat([stateHash, Buffer.from(provider)]);
}
