import { type AccountTokenPurpose, accountTokens } from '@millrace/db/schema/account-mail';
import { users } from '@millrace/db/schema/users';
import type { PlainTx } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import type { UserRow } from '../auth/user-rows.ts';
import { hashMailToken, makeMailToken } from './mail-token.ts';

/** How long a mailed link works. */
const LIFE_SEC: Record<AccountTokenPurpose, number> = { reset_password: 3600, verify_email: 86_400 };

const HOUR_SEC = 3600;

type TokenRow = typeof accountTokens.$inferSelect;

export type Issued = { token: TokenRow } | { retryAfterSec: number };

/**
 * A token for the user's address under this id; tokens of the same purpose before it stop working. Over the limit of an
 * hour nothing changes, and the answer says in how many seconds there will be room. Hold the lock on the user: it is what
 * makes the count exact.
 */
export async function issueAccountToken(
  config: ApiConfig,
  tx: PlainTx,
  user: UserRow,
  { id, purpose }: { id: string; purpose: AccountTokenPurpose },
): Promise<Issued> {
  const age = sql`extract(epoch FROM clock_timestamp() - ${accountTokens.createdAt})`;
  const recent = await tx
    .select({ ageSec: age.mapWith(Number) })
    .from(accountTokens)
    .where(and(isOf(user.id, purpose), sql`${age} < ${HOUR_SEC}`))
    .orderBy(accountTokens.createdAt);
  const excess = recent.length - config.RATE_LIMIT_MAILS_PER_HOUR;
  const inTheWay = recent[excess];
  if (inTheWay) return { retryAfterSec: Math.max(1, Math.ceil(HOUR_SEC - inTheWay.ageSec)) };
  await endAccountTokens(tx, user.id, purpose);
  const tokenHash = hashMailToken(makeMailToken(config.AUTH_TOKEN_SECRET, { purpose, id, generation: 0 }));
  const expiresAt = sql`clock_timestamp() + make_interval(secs => ${LIFE_SEC[purpose]})`;
  const [token] = await tx
    .insert(accountTokens)
    .values({ id, userId: user.id, purpose, email: user.email, tokenHash, createdAt: clockNow, expiresAt })
    .returning();
  if (!token) throw new Error('an insert returned no row');
  return { token };
}

/** The token with this id, while its link would work. */
export async function findLiveToken(tx: PlainTx, id: string): Promise<TokenRow | undefined> {
  const [token] = await tx
    .select()
    .from(accountTokens)
    .where(and(eq(accountTokens.id, id), isLive));
  return token;
}

/** Whose link this is: an account that is not disabled and still has the address that the mail went to. */
export async function findUserByToken(
  tx: PlainTx,
  purpose: AccountTokenPurpose,
  token: string,
): Promise<UserRow | undefined> {
  const [found] = await tx
    .select({ user: users })
    .from(accountTokens)
    .innerJoin(users, and(eq(users.id, accountTokens.userId), isNull(users.disabledAt)))
    .where(and(isToken(purpose, token), eq(users.email, accountTokens.email)));
  return found?.user;
}

/** Spends the token; false when it no longer works. Of calls at the same moment one is told true. */
export async function spendAccountToken(tx: PlainTx, purpose: AccountTokenPurpose, token: string): Promise<boolean> {
  const spent = await tx
    .update(accountTokens)
    .set({ usedAt: clockNow })
    .where(isToken(purpose, token))
    .returning({ id: accountTokens.id });
  return spent.length > 0;
}

/** Makes every mailed link of this purpose stop working. */
export async function endAccountTokens(tx: PlainTx, userId: string, purpose: AccountTokenPurpose): Promise<void> {
  await tx
    .update(accountTokens)
    .set({ expiresAt: clockNow })
    .where(and(isOf(userId, purpose), isLive));
}

const clockNow = sql`clock_timestamp()`;
const isLive = and(isNull(accountTokens.usedAt), gt(accountTokens.expiresAt, clockNow));

function isOf(userId: string, purpose: AccountTokenPurpose) {
  return and(eq(accountTokens.userId, userId), eq(accountTokens.purpose, purpose));
}

function isToken(purpose: AccountTokenPurpose, token: string) {
  return and(eq(accountTokens.tokenHash, hashMailToken(token)), eq(accountTokens.purpose, purpose), isLive);
}
