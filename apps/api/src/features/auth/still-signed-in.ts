import { apiKeys } from '@millrace/db/schema/api-keys';
import { authSessions } from '@millrace/db/schema/auth-sessions';
import type { OrgTx } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { and, eq, isNull } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { isLive } from './sessions.ts';

/**
 * Asked again, under the organization's lock, by what hands out a way in that outlives its maker's session: a request is
 * let in before its body has arrived, and whoever sends that slowly must not outlast a sign-out or a takeover. Throws 401.
 */
export async function assertStillSignedIn({ userId, sessionId, apiKey }: OrgContext, tx: OrgTx): Promise<void> {
  const found = apiKey
    ? await tx
        .select({ id: apiKeys.id })
        .from(apiKeys)
        .where(and(eq(apiKeys.orgId, tx.orgId), eq(apiKeys.id, apiKey.id), isNull(apiKeys.revokedAt)))
    : await tx
        .select({ id: authSessions.id })
        .from(authSessions)
        .where(and(isLive(userId), eq(authSessions.id, sessionId ?? '')));
  if (found.length === 0) throw new AppError('UNAUTHORIZED');
}
