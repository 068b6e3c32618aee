import { users } from '@millrace/db/schema/users';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import type { PublicContext, SessionContext } from '../../context.ts';
import { findUserByToken, issueAccountToken, spendAccountToken } from '../mails/account-tokens.ts';
import { queueAccountMail } from '../mails/outbox.ts';
import { lockUser, type UserRow } from './user-rows.ts';

/** Confirms the address with the mailed token, once. Throws 400 `TOKEN_INVALID` for one that is not good. */
export async function verifyEmail(context: PublicContext, { token }: { token: string }) {
  await withoutOrg(context.deps.db, async (tx) => {
    const user = await findUserByToken(tx, 'verify_email', token);
    if (user) await lockUser(tx, user.id);
    const isSpent = user && (await spendAccountToken(tx, 'verify_email', token));
    if (!isSpent) throw new AppError('TOKEN_INVALID');
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
