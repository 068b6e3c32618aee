import { createHash, createHmac } from 'node:crypto';
import type { ApiConfig } from '@millrace/shared/config';
import { deriveKey } from '@millrace/shared/sealing';

const PURPOSE = 'millrace hook token v1';
/** 256 bits as base64url. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** Of which workflow, and which of its addresses, counted from 0. */
interface HookName {
  workflowId: string;
  generation: number;
}

/** What is stored of a token. It has 256 bits nobody can guess, so a plain hash cannot be searched. */
export function hashHookToken(config: Pick<ApiConfig, 'AUTH_TOKEN_SECRET'>, name: HookName): Buffer {
  return sha256(hookToken(config, name));
}

/** The hash to look for; undefined for a text that is no token. */
export function hashOfToken(text: string): Buffer | undefined {
  return TOKEN.test(text) ? sha256(text) : undefined;
}

/** The whole address; null when another `AUTH_TOKEN_SECRET` was at work when it was stored, so that it would lead nowhere. */
export function hookUrl(
  config: Pick<ApiConfig, 'AUTH_TOKEN_SECRET' | 'WEB_BASE_URL'>,
  hook: HookName & { tokenHash: Buffer },
): string | null {
  const token = hookToken(config, hook);
  if (!sha256(token).equals(hook.tokenHash)) return null;
  return `${config.WEB_BASE_URL.replace(/(?<!\/)\/+$/, '')}/v1/hooks/${token}`;
}

/** Made from the server's key, so that no table holds it and it can be shown again. */
function hookToken({ AUTH_TOKEN_SECRET }: Pick<ApiConfig, 'AUTH_TOKEN_SECRET'>, name: HookName): string {
  const key = deriveKey(AUTH_TOKEN_SECRET, PURPOSE);
  return createHmac('sha256', key).update(`${name.workflowId}:${name.generation}`).digest('base64url');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
