import { users } from '@millrace/db/schema/users';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { passwordChanged } from '@millrace/shared/events';
import { and, eq, sql } from 'drizzle-orm';
import type { PublicContext, SessionContext } from '../../context.ts';
import { endAccountTokens, findUserByToken, spendAccountToken } from '../mails/account-tokens.ts';
import { queueAccountMail } from '../mails/outbox.ts';
import { guessersAt, holderOf, takeLoginTry } from './login-failures.ts';
import { hashPassword, isSamePassword, verifyPassword } from './password.ts';
import { assertStrongPassword } from './password-strength.ts';
import { revokeAllSessions, revokeOtherSessions } from './sessions.ts';
import { closeWaysIn, closeWaysIntoOrganizations } from './takeover.ts';
import { lockUser, type UserRow } from './user-rows.ts';

/**
 * Notes that somebody asks for a new password. Whether the address has an account is looked up when the mail is due, so
 * both cost the same one row here and nobody learns which it was.
 */
export async function forgotPassword(context: PublicContext, { email }: { email: string }) {
  const mail = { userId: null, template: 'reset-password', recipient: email } as const;
  await withoutOrg(context.deps.db, (tx) => queueAccountMail(tx, mail));
  context.deps.mailSender.poke();
  return { ok: true as const };
}

/**
 * Sets a new password for whoever holds the mailed token, once. The mail has proved the address, so it counts as verified,
 * and every session ends. Throws 400 `TOKEN_INVALID` for a token that is not good, and 400 for a weak password, which
 * leaves the token as it is.
 */
export async function resetPassword(context: PublicContext, body: { token: string; password: string }) {
  const { db } = context.deps;
  const user = await withoutOrg(db, (tx) => findUserByToken(tx, 'reset_password', body.token));
  if (!user) throw new AppError('TOKEN_INVALID');
  await assertStrongPassword(body.password, user);
  const passwordHash = await hashPassword(body.password);
  if (!user.emailVerifiedAt) await evictEarlierHolder(context, user.id);
  await withoutOrg(db, async (tx) => {
    const current = await lockUser(tx, user.id);
    const isSpent = current && !current.disabledAt && (await spendAccountToken(tx, 'reset_password', body.token));
    if (!isSpent) throw new AppError('TOKEN_INVALID');
    if (!current.emailVerifiedAt) await closeWaysIn(tx, user.id); // who knew the old password may have come back
    const emailVerifiedAt = sql`coalesce(${users.emailVerifiedAt}, now())`;
    await tx.update(users).set({ passwordHash, emailVerifiedAt, updatedAt: now }).where(eq(users.id, user.id));
    await endAccountTokens(tx, user.id, 'verify_email');
    await revokeAllSessions(tx, user.id);
    await afterPasswordChange(tx, user);
  });
  // Whoever guessed at the old password keeps nobody waiting who has the mailbox.
  for (const guesser of guessersAt(user.email, context.client.ipAddress))
    await context.deps.loginFailures.forget(guesser);
  announce(context, user.id, 'reset');
  return { ok: true as const };
}

/**
 * Replaces the caller's password and ends all their other sessions. Throws 400 when the current password is wrong or the
 * new one weak or the current one, 409 for an account without a password and when it was changed at the same moment, and
 * 429 after too many wrong ones, which count apart from those of sign-ins: no stranger can make the caller wait.
 */
export async function changePassword(context: SessionContext, body: { currentPassword: string; newPassword: string }) {
  const { db } = context.deps;
  const [user] = await withoutOrg(db, (tx) => tx.select().from(users).where(eq(users.id, context.userId)));
  const oldHash = user?.passwordHash;
  if (!user || !oldHash) throw new AppError('CONFLICT', 'This account has no password yet; ask for a link to set one.');
  if (isSamePassword(body.currentPassword, body.newPassword)) throw unchangedPassword();
  const guesser = holderOf(user.id);
  const takeTry = () => takeLoginTry(context, guesser);
  if (!(await verifyPassword(oldHash, body.currentPassword, takeTry))) throw wrongCurrentPassword();
  await context.deps.loginFailures.forget(guesser);
  await assertStrongPassword(body.newPassword, user, 'newPassword');
  const passwordHash = await hashPassword(body.newPassword);
  const revokedCount = await withoutOrg(db, async (tx) => {
    const isSame = and(eq(users.id, user.id), eq(users.passwordHash, oldHash));
    const changed = await tx.update(users).set({ passwordHash, updatedAt: now }).where(isSame).returning();
    if (changed.length === 0) throw new AppError('CONFLICT', 'The password was changed at the same moment.');
    await afterPasswordChange(tx, user);
    return revokeOtherSessions(tx, user.id, context.sessionId);
  });
  announce(context, user.id, 'change');
  return { ok: true as const, revokedCount };
}

const now = sql`now()`;

/**
 * Before its address was proved, anybody could have made the account; the owner of the mailbox must not share it with
 * them. Safe to do again: should the process die now, the mailed link still works.
 */
async function evictEarlierHolder(context: PublicContext, userId: string): Promise<void> {
  const isEvicted = await withoutOrg(context.deps.db, async (tx) => {
    const current = await lockUser(tx, userId);
    // Another use of the link, or a provider, may have let the owner in meanwhile.
    if (!current || current.emailVerifiedAt || current.disabledAt) return false;
    await closeWaysIn(tx, userId);
    return true;
  });
  if (isEvicted) await closeWaysIntoOrganizations(context, userId);
}

/** Links that were mailed for the old password die with it. */
async function afterPasswordChange(tx: PlainTx, { id: userId, email }: UserRow): Promise<void> {
  await endAccountTokens(tx, userId, 'reset_password');
  await queueAccountMail(tx, { userId, template: 'password-changed', recipient: email });
}

function announce({ deps, log, requestId }: PublicContext, userId: string, by: 'change' | 'reset'): void {
  deps.mailSender.poke();
  passwordChanged(log, { requestId, userId, by });
}

/** Not 401: that would tell a client that its session is over. */
function wrongCurrentPassword(): AppError {
  return refuseField('currentPassword', 'PASSWORD_WRONG', 'The current password is wrong.');
}

/** It would change nothing, at the price of two hashes and a mail. */
function unchangedPassword(): AppError {
  return refuseField('newPassword', 'PASSWORD_UNCHANGED', 'The new password must be another one than the current one.');
}

function refuseField(path: string, code: string, message: string): AppError {
  return new AppError('BAD_REQUEST', message, { details: [{ path, code, message }] });
}
