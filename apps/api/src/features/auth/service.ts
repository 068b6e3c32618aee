import { violatedUniqueKey } from '@millrace/db/failures';
import { users } from '@millrace/db/schema/users';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { Session, User } from '@millrace/shared/contracts/auth';
import { AppError } from '@millrace/shared/errors';
import { signInFailed } from '@millrace/shared/events';
import { newId } from '@millrace/shared/ids';
import { signAccessToken } from '@millrace/shared/tokens';
import { and, eq, sql } from 'drizzle-orm';
import type { PublicContext, SessionContext } from '../../context.ts';
import type { Deps } from '../../deps.ts';
import { queueVerification } from './email-verification.ts';
import { guesserAt, takeLoginTry } from './login-failures.ts';
import { hashPassword, isHashOutdated, verifyPassword } from './password.ts';
import { assertStrongPassword } from './password-strength.ts';
import {
  createSession,
  findSignInAddresses,
  type IssuedRefresh,
  revokeAllSessions,
  revokeSession,
  rotateSession,
  withRefreshToken,
} from './sessions.ts';
import { findUserByEmail, type UserRow } from './user-rows.ts';

export interface SignedIn {
  session: Session;
  user: User;
  refresh: IssuedRefresh;
}

/**
 * Creates a user and a first session, and mails a link that confirms the address. Throws 400 for a weak password, 409
 * when the address is registered, 429 when too much hashing goes on.
 */
export async function signUp(
  context: PublicContext,
  body: { email: string; password: string; displayName?: string | undefined },
): Promise<SignedIn> {
  const { db, config } = context.deps;
  await assertStrongPassword(body.password, body);
  if (await withoutOrg(db, (tx) => findUserByEmail(tx, body.email))) throw registered();
  const passwordHash = await hashPassword(body.password);
  const created = await withoutOrg(db, async (tx) => {
    const [user] = await tx
      .insert(users)
      .values({ id: newId(), email: body.email, displayName: body.displayName ?? null, passwordHash })
      .returning();
    if (!user) throw new Error('the new user was not returned');
    await queueVerification(config, tx, user);
    return { user, refresh: await createSession(config, tx, user.id, context.client) };
  }).catch((error: unknown) => {
    // Somebody else signed up with the address while this password was hashed.
    throw violatedUniqueKey(error) === 'users_email_key' ? registered() : error;
  });
  context.deps.mailSender.poke();
  return signIn(context, created.user, created.refresh);
}

/**
 * Starts a session. Throws 401, alike in answer and in cost, for an unknown address, a wrong password, an account without
 * a password and one that is disabled; 429 after too many wrong ones, whether or not the account exists.
 */
export async function logIn(context: PublicContext, body: { email: string; password: string }): Promise<SignedIn> {
  const { db, config } = context.deps;
  const { user, guesser } = await withoutOrg(db, async (tx) => ({
    user: await findUserByEmail(tx, body.email),
    guesser: guesserAt(body.email, context.client.ipAddress, await findSignInAddresses(tx, body.email)),
  }));
  const takeTry = () => takeLoginTry(context, guesser);
  const isRight = await verifyPassword(user?.passwordHash ?? null, body.password, takeTry);
  if (!user || !isRight || user.disabledAt) throw refuse(context, user);
  await context.deps.loginFailures.forget(guesser);
  const passwordHash = await renewHash(context, user, body.password);
  const refresh = await withoutOrg(db, async (tx) => {
    if (!(await isUnchanged(tx, user.id, passwordHash))) throw refuse(context, user);
    return createSession(config, tx, user.id, context.client);
  });
  return signIn(context, user, refresh);
}

/** Exchanges under way, by token, for each instance of the API. */
const exchanges = new WeakMap<Deps, Map<string, Promise<SignedIn>>>();

/**
 * Exchanges a refresh token for its successor and a new access token. Throws 401 for a token that is not good. Tabs that
 * send one token at the same moment share one exchange: each of its own would hold a connection while it waits for the
 * session's row, and a burst of them would leave none for anybody else.
 */
export async function refreshSession(context: PublicContext, refreshToken: string): Promise<SignedIn> {
  const underWay = exchanges.get(context.deps) ?? new Map<string, Promise<SignedIn>>();
  exchanges.set(context.deps, underWay);
  const exchange =
    underWay.get(refreshToken) ??
    exchangeRefreshToken(context, refreshToken).finally(() => underWay.delete(refreshToken));
  underWay.set(refreshToken, exchange);
  return exchange;
}

async function exchangeRefreshToken(context: PublicContext, refreshToken: string): Promise<SignedIn> {
  const { user, refresh } = await withRefreshToken(context, refreshToken, async (tx, session) => ({
    user: session.user,
    refresh: await rotateSession(context.deps.config, tx, session),
  }));
  return signIn(context, user, refresh);
}

/** Ends the caller's session; the next request with its access token is refused. */
export async function logOut(context: SessionContext): Promise<void> {
  await withoutOrg(context.deps.db, (tx) => revokeSession(tx, context.userId, context.sessionId));
}

/** As `logOut`, by refresh token. Throws 401 for a token that is not good. */
export async function logOutByRefreshToken(context: PublicContext, refreshToken: string): Promise<void> {
  await withRefreshToken(context, refreshToken, (tx, session) => revokeSession(tx, session.user.id, session.id));
}

/** Ends every session of the caller; answers how many there were. */
export async function logOutAll(context: SessionContext): Promise<number> {
  return withoutOrg(context.deps.db, (tx) => revokeAllSessions(tx, context.userId));
}

/** As `logOutAll`, by refresh token. Throws 401 for a token that is not good. */
export async function logOutAllByRefreshToken(context: PublicContext, refreshToken: string): Promise<number> {
  const userId = await withRefreshToken(context, refreshToken, async (_tx, session) => session.user.id);
  return withoutOrg(context.deps.db, (tx) => revokeAllSessions(tx, userId));
}

/** A user as answers show one. */
export function toUser({ id, email, displayName, createdAt }: UserRow): User {
  return { id, email, displayName, createdAt: createdAt.toISOString() };
}

/** The answer to whoever has just proved to be this user: an access token for the session of `refresh`. */
export async function signIn(context: PublicContext, user: UserRow, refresh: IssuedRefresh): Promise<SignedIn> {
  const { signingKeys, config } = context.deps;
  const claims = { userId: user.id, sessionId: refresh.sessionId, email: user.email };
  const issuedAt = Math.floor(Date.now() / 1000);
  const ttlSec = config.ACCESS_TOKEN_TTL_SEC;
  const token = await signAccessToken(signingKeys, claims, { nowSec: issuedAt, ttlSec });
  const session = { token, tokenType: 'access', ...claims, issuedAt, expiresAt: issuedAt + ttlSec } as const;
  return { session, user: toUser(user), refresh };
}

/** Only here is the password known, so only here can an old hash be replaced by one with today's; answers that one. */
async function renewHash(context: PublicContext, user: UserRow, password: string): Promise<string | null> {
  const oldHash = user.passwordHash;
  if (!oldHash || !isHashOutdated(oldHash)) return oldHash;
  const passwordHash = await hashPassword(password);
  await withoutOrg(context.deps.db, (tx) =>
    tx
      .update(users)
      .set({ passwordHash, updatedAt: sql`now()` })
      .where(and(eq(users.id, user.id), eq(users.passwordHash, oldHash))),
  );
  return passwordHash;
}

/**
 * Whether the user may still sign in with the password of this hash, which took a while to check. The lock makes a change
 * of the password, which ends all sessions, wait for the one that starts here.
 */
async function isUnchanged(tx: PlainTx, userId: string, passwordHash: string | null): Promise<boolean> {
  const [user] = await tx.select().from(users).where(eq(users.id, userId)).for('share');
  return user !== undefined && user.disabledAt === null && user.passwordHash === passwordHash;
}

function refuse({ log, requestId }: PublicContext, user: UserRow | undefined): AppError {
  signInFailed(log, { requestId, reasonCode: reasonOf(user), userId: user?.id ?? null });
  return new AppError('UNAUTHORIZED', 'The e-mail address or the password is wrong.');
}

function reasonOf(user: UserRow | undefined) {
  if (!user) return 'unknown_address';
  if (user.disabledAt) return 'disabled';
  return user.passwordHash === null ? 'no_password' : 'wrong_password';
}

function registered(): AppError {
  return new AppError('CONFLICT', 'This e-mail address is already registered; sign in instead.');
}
