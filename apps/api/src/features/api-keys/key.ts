import { createHash, randomBytes } from 'node:crypto';
import type { ApiKeyAuthorization } from '@millrace/db/lookups';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { withOrg } from '@millrace/db/tenant';
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { PublicContext } from '../../context.ts';

/** Tells a key from an access token at a glance, for us and for scanners of leaked secrets. */
const PREFIX = 'mr_';
const RANDOM_BYTES = 32;

export function makeApiKey(): string {
  return `${PREFIX}${randomBytes(RANDOM_BYTES).toString('base64url')}`;
}

export function isApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX);
}

/** What is stored of a key. It has 256 random bits, so a plain hash cannot be searched and needs no salt. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/**
 * Notes that the key was used now, at most once a minute however many requests find its note stale at the same moment:
 * none of them waits for the one that writes.
 */
export async function noteApiKeyUse({ deps }: PublicContext, { orgId, keyId }: ApiKeyAuthorization): Promise<void> {
  await withOrg(deps.db, orgId, async (tx) => {
    const stale = tx
      .select({ id: apiKeys.id })
      .from(apiKeys)
      .where(
        and(
          eq(apiKeys.orgId, tx.orgId),
          eq(apiKeys.id, keyId),
          sql`coalesce(${apiKeys.lastUsedAt} < now() - interval '1 minute', true)`,
        ),
      )
      .for('no key update', { skipLocked: true });
    await tx
      .update(apiKeys)
      .set({ lastUsedAt: sql`now()` })
      .where(and(eq(apiKeys.orgId, tx.orgId), inArray(apiKeys.id, stale)));
  });
}
