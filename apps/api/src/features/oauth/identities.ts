import { violatedUniqueKey } from '@millrace/db/failures';
import { userIdentities } from '@millrace/db/schema/identities';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { OAuthProvider, User } from '@millrace/shared/contracts/auth';
import { AppError } from '@millrace/shared/errors';
import { and, eq } from 'drizzle-orm';
import type { PublicContext, SessionContext } from '../../context.ts';
import { toUser } from '../auth/service.ts';
import { isSessionAlive } from '../auth/sessions.ts';
import { lockUser } from '../auth/user-rows.ts';
import { findIdentityOwner, type Login, linkToAccount } from './accounts.ts';
import { refuse } from './refusals.ts';

/** What the caller can sign in with beside a password, oldest first. */
export async function listIdentities(context: SessionContext) {
  const rows = await withoutOrg(context.deps.db, (tx) =>
    tx
      .select()
      .from(userIdentities)
      .where(eq(userIdentities.userId, context.userId))
      .orderBy(userIdentities.createdAt, userIdentities.provider),
  );
  const identities = rows.map(({ provider, email, createdAt, lastUsedAt }) => ({
    provider,
    email,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt.toISOString(),
  }));
  return { identities };
}

/** Stops signing in with this provider. Throws 404 when it is not linked, 409 while it is the only way to sign in. */
export async function unlinkIdentity(context: SessionContext, provider: OAuthProvider) {
  await withoutOrg(context.deps.db, async (tx) => {
    const user = await lockUser(tx, context.userId);
    const linked = await tx.select().from(userIdentities).where(eq(userIdentities.userId, context.userId));
    const identity = linked.find((one) => one.provider === provider);
    if (!user || !identity) throw new AppError('NOT_FOUND');
    if (user.passwordHash === null && linked.length === 1)
      throw new AppError('CONFLICT', 'This is the only way to sign in; set a password or link another provider first.');
    await tx
      .delete(userIdentities)
      .where(and(eq(userIdentities.userId, user.id), eq(userIdentities.provider, provider)));
  });
  return { ok: true as const };
}

/**
 * Links the provider's person to the account that asked for it. Refuses when the session it was asked with has ended
 * meanwhile, when the person belongs to somebody else, and beside another person of the same provider.
 */
export async function linkTo(
  context: PublicContext,
  asker: Pick<SessionContext, 'userId' | 'sessionId'>,
  login: Login,
): Promise<User> {
  try {
    const user = await withoutOrg(context.deps.db, (tx) => link(tx, asker, login));
    context.deps.mailSender.poke();
    return user;
  } catch (error) {
    const key = violatedUniqueKey(error);
    if (key === 'user_identities_user_key') throw refuse('account_has_other_identity');
    throw key === 'user_identities_pkey' ? refuse('identity_of_somebody_else') : error;
  }
}

async function link(
  tx: PlainTx,
  { userId, sessionId }: Pick<SessionContext, 'userId' | 'sessionId'>,
  login: Login,
): Promise<User> {
  const user = await lockUser(tx, userId);
  // Under the lock, which a takeover of the account holds while it ends its sessions.
  if (!user || !(await isSessionAlive(tx, userId, sessionId))) throw refuse('session_ended');
  const ownerId = await findIdentityOwner(tx, login);
  if (ownerId !== undefined && ownerId !== userId) throw refuse('identity_of_somebody_else');
  if (ownerId === undefined) await linkToAccount(tx, login, user);
  return toUser(user);
}
