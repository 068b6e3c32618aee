import { listOrganizationsOfUser } from '@millrace/db/lookups';
import { authSessions } from '@millrace/db/schema/auth-sessions';
import { users } from '@millrace/db/schema/users';
import { withoutOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { desc, eq } from 'drizzle-orm';
import type { SessionContext, UserContext } from '../../context.ts';
import { toUser } from '../auth/service.ts';
import { isLive, revokeSession } from '../auth/sessions.ts';
import { describeDevice } from './device.ts';

/** Nobody has that many browsers; the newest ones are what a person wants to see. */
const MAX_SESSIONS = 200;

/** The caller and every organization they are a member of, oldest first; of an API key, only its own. */
export async function getMe(context: UserContext) {
  const { db } = context.deps;
  const [user] = await withoutOrg(db, (tx) => tx.select().from(users).where(eq(users.id, context.userId)));
  if (!user) throw new AppError('UNAUTHORIZED');
  const everywhere = await listOrganizationsOfUser(db, context.userId);
  const organizations = everywhere.filter(({ id }) => !context.apiKey || context.apiKey.orgId === id);
  const memberships = organizations.map(({ roleKey, createdAt, ...organization }) => ({
    organization: { ...organization, createdAt: createdAt.toISOString() },
    roleKey,
  }));
  const [emailVerified, hasPassword] = [user.emailVerifiedAt !== null, user.passwordHash !== null];
  return { user: toUser(user), emailVerified, hasPassword, memberships };
}

/** The caller's live sessions, last used first. */
export async function listSessions(context: SessionContext) {
  const rows = await withoutOrg(context.deps.db, (tx) =>
    tx
      .select()
      .from(authSessions)
      .where(isLive(context.userId))
      .orderBy(desc(authSessions.lastUsedAt), desc(authSessions.id))
      .limit(MAX_SESSIONS),
  );
  const sessions = rows.map((row) => ({
    id: row.id,
    isCurrent: row.id === context.sessionId,
    device: describeDevice(row.userAgent),
    userAgent: row.userAgent,
    ipAddress: row.ipAddress,
    createdAt: row.createdAt.toISOString(),
    lastUsedAt: row.lastUsedAt.toISOString(),
    expiresAt: row.idleExpiresAt.toISOString(),
  }));
  return { sessions };
}

/** Ends one of the caller's sessions at once. Throws 404 for one that has ended, is somebody else's or never was. */
export async function endSession(context: SessionContext, sessionId: string) {
  const isEnded = await withoutOrg(context.deps.db, (tx) => revokeSession(tx, context.userId, sessionId));
  if (!isEnded) throw new AppError('NOT_FOUND');
  return { ok: true as const };
}
