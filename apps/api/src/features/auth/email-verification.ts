import { users } from '@millrace/db/schema/users';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import type { SessionContext } from '../../context.ts';
import { findUserByToken, issueAccountToken, spendAccountToken } from '../mails/account-tokens.ts';
import { queueAccountMail } from '../mails/outbox.ts';
import { isSessionAlive } from './sessions.ts';
import { lockUser, type UserRow } from './user-rows.ts';

/**
 * Confirms the caller's address with the mailed token, once. The token proves the mailbox and the session the account:
 * with one alone, whoever signed up with somebody else's address could have the owner confirm it for them. Throws 401
 * without a session and 403 in that of another account, which both leave the token as it is, and 400 `TOKEN_INVALID` for
 * one that is not good.
 */
export async function verifyEmail({ deps, userId, sessionId }: SessionContext, { token }: { token: string }) {
  await withoutOrg(deps.db, async (tx) => {
    const user = await findUserByToken(tx, 'verify_email', token);
    if (!user) throw new AppError('TOKEN_INVALID');
    if (user.id !== userId) throw new AppError('FORBIDDEN', 'This link is for another account; sign in with that one.');
    await lockUser(tx, userId);
    // Under the lock: the account may have been taken over since the request was let in.
    if (!(await isSessionAlive(tx, userId, sessionId))) throw new AppError('UNAUTHORIZED');
    if (!(await spendAccountToken(tx, 'verify_email', token))) throw new AppError('TOKEN_INVALID');
    await tx.update(users).set({ emailVerifiedAt: sql`now()`, updatedAt: sql`now()` }).where(eq(users.id, user.id));
  });
  return { ok: true as const };
}

/** Mails the link again; the one before it stops working. Throws 409 for a confirmed address, 429 over the limit. */
export async function sendVerification(context: SessionContext) {
  const { db, config, mailSender } = context.deps;
  await withoutOrg(db, async (tx) => {
    const user = await lockUser(tx, context.userId);
    if (!user) throw new AppError('UNAUTHORIZED');
    if (user.emailVerifiedAt) throw new AppError('CONFLICT', 'This e-mail address is confirmed already.');
    await queueVerification(config, tx, user);
  });
  mailSender.poke();
  return { ok: true as const };
}

/** Asks the user to confirm the address, in the transaction that made or locked them. Throws 429 over the limit. */
export async function queueVerification(config: ApiConfig, tx: PlainTx, user: UserRow): Promise<void> {
  const id = newId();
  const issued = await issueAccountToken(config, tx, user, { id, purpose: 'verify_email' });
  if ('retryAfterSec' in issued) throw new AppError('RATE_LIMITED', undefined, issued);
  await queueAccountMail(tx, { id, userId: user.id, template: 'verify-email', recipient: user.email });
}
