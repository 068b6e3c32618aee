import { createHash } from 'node:crypto';
import type { ApiKeyAuthorization } from '@millrace/db/lookups';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { withOrg } from '@millrace/db/tenant';
import { and, eq, sql } from 'drizzle-orm';
import type { PublicContext } from '../../context.ts';

/** Tells a key from an access token at a glance, for us and for scanners of leaked secrets. */
const PREFIX = 'mr_';

export function isApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX);
}

/** What is stored of a key. It has 256 random bits, so a plain hash cannot be searched and needs no salt. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Notes that the key was used now; called at most about once a minute for each key, so reads stay reads. */
export async function noteApiKeyUse({ deps }: PublicContext, { orgId, keyId }: ApiKeyAuthorization): Promise<void> {
  await withOrg(deps.db, orgId, (tx) =>
    tx
      .update(apiKeys)
      .set({ lastUsedAt: sql`now()` })
      .where(and(eq(apiKeys.orgId, tx.orgId), eq(apiKeys.id, keyId))),
  );
}
