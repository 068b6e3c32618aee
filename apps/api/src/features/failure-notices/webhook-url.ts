import { deriveKey, seal, unseal } from '@millrace/shared/sealing';

/** The URL of a webhook often is its receiver's secret, so a table keeps it sealed and an answer shows where it leads alone. */

const PURPOSE = 'millrace failure notice webhook url v1';
/** Contracts refuse a URL that ends so: it was copied from an answer. */
const MASKED = '***';

interface KeptUrl {
  orgId: string;
  webhookUrl: string | null;
  webhookUrlSealed: Buffer | null;
}

/** Opens for this organization alone, and with this secret of the server. */
export function sealWebhookUrl(secret: string, orgId: string, url: string): Buffer {
  return seal(deriveKey(secret, PURPOSE), orgId, url);
}

/** Null when there is none, or when the server's secret is another one than when it was sealed. */
export function openWebhookUrl(secret: string, { orgId, webhookUrl, webhookUrlSealed }: KeptUrl): string | null {
  if (webhookUrlSealed === null) return webhookUrl;
  return unseal(deriveKey(secret, PURPOSE), orgId, webhookUrlSealed) ?? null;
}

/** The origin, and that there is more behind it. */
export function maskUrl(text: string): string {
  const { origin, pathname, search } = new URL(text);
  return pathname === '/' && search === '' ? `${origin}/` : `${origin}/${MASKED}`;
}
