import { apiKeys } from '@millrace/db/schema/api-keys';
import type { OrgTx } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, eq, isNull } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { isSessionAlive } from './sessions.ts';

/**
 * Asked again, under the organization's lock, by what hands out a way in that outlives its maker's session: a request is
 * let in before its body has arrived, and whoever sends that slowly must not outlast a sign-out or a takeover. Throws 401.
 */
export async function assertStillSignedIn({ userId, sessionId, apiKey }: OrgContext, tx: OrgTx): Promise<void> {
  const isSignedIn = apiKey
    ? await isKeyAlive(tx, apiKey.id)
    : sessionId !== null && (await isSessionAlive(tx, userId, sessionId));
  if (!isSignedIn) throw new AppError('UNAUTHORIZED');
}

async function isKeyAlive(tx: OrgTx, keyId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(and(eq(apiKeys.orgId, tx.orgId), eq(apiKeys.id, keyId), isNull(apiKeys.revokedAt)));
  return rows.length > 0;
}
