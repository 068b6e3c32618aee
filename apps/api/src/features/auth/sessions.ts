import { randomBytes } from 'node:crypto';
import { authSessions } from '@millrace/db/schema/auth-sessions';
import { users } from '@millrace/db/schema/users';
import { type OrgTx, type PlainTx, withoutOrg } from '@millrace/db/tenant';
import type { ApiConfig } from '@millrace/shared/config';
import { AppError } from '@millrace/shared/errors';
import { refreshTokenReused } from '@millrace/shared/events';
import { newId } from '@millrace/shared/ids';
import { and, desc, eq, gt, isNull, ne, type SQL, sql } from 'drizzle-orm';
import type { Client, PublicContext } from '../../context.ts';
import {
  hashRefreshSecret,
  judgeRefreshSecret,
  makeRefreshSecret,
  readRefreshToken,
  writeRefreshToken,
} from './refresh-token.ts';
import { hasEmail, lockUser, type UserRow } from './user-rows.ts';

/** How long the token before the newest is still answered: parallel tabs and lost answers are no theft. */
const GRACE_SEC = 10;

export interface IssuedRefresh {
  sessionId: string;
  refreshToken: string;
  /** Whole seconds until the token dies when it is not used. */
  maxAgeSec: number;
}

/** A session whose newest or just replaced token was presented; its row is locked until the transaction ends. */
export interface HeldSession {
  id: string;
  salt: Buffer;
  generation: number;
  user: UserRow;
  /** False when the token before the newest was presented within its grace. */
  isNewest: boolean;
  maxAgeSec: number;
}

/** Starts a session. All times come from the database's clock, the one that `authorize` compares them with. */
export async function createSession(
  config: ApiConfig,
  tx: PlainTx,
  userId: string,
  client: Client,
): Promise<IssuedRefresh> {
  const generation = { sessionId: newId(), salt: randomBytes(32), generation: 0 };
  const secret = makeRefreshSecret(config.AUTH_TOKEN_SECRET, generation);
  const absoluteExpiresAt = inSeconds(config.SESSION_MAX_SEC);
  const rows = await tx
    .insert(authSessions)
    .values({
      id: generation.sessionId,
      userId,
      refreshSalt: generation.salt,
      refreshHash: hashRefreshSecret(secret),
      idleExpiresAt: sql`least(${inSeconds(config.SESSION_TTL_SEC)}, ${absoluteExpiresAt})`,
      absoluteExpiresAt,
      ...client,
    })
    .returning({ maxAgeSec: secondsLeft });
  return issue(generation.sessionId, secret, rows);
}

/**
 * Judges a refresh token and, when it is good, calls `act` in the same transaction with the session's row locked, so
 * that uses of one token take turns. Throws 401 for any other token. One that was replaced before, or was never issued
 * for this session, is a sign of theft: nobody can tell the thief from the owner, so the session ends for both.
 */
export async function withRefreshToken<T>(
  context: PublicContext,
  tokenText: string,
  act: (tx: PlainTx, session: HeldSession) => Promise<T>,
): Promise<T> {
  const token = readRefreshToken(tokenText);
  if (!token) throw new AppError('UNAUTHORIZED');
  const key = context.deps.config.AUTH_TOKEN_SECRET;
  const outcome = await withoutOrg(context.deps.db, async (tx) => {
    const row = await lockSession(tx, token.sessionId);
    if (!row) return undefined;
    const { hash, isInGrace, ...session } = row;
    const verdict = judgeRefreshSecret(key, token.secret, { ...session, sessionId: session.id, hash });
    if (verdict === 'current' || (verdict === 'previous' && isInGrace))
      return { result: await act(tx, { ...session, isNewest: verdict === 'current' }) };
    await revokeSession(tx, session.user.id, session.id);
    return { stolenFrom: session.user.id };
  });
  if (outcome && 'result' in outcome) return outcome.result as T;
  if (outcome) {
    const { requestId, log } = context;
    refreshTokenReused(log, { requestId, sessionId: token.sessionId, userId: outcome.stolenFrom });
  }
  throw new AppError('UNAUTHORIZED');
}

/** Replaces the newest token by its successor; for the one before it, answers that same successor again. */
export async function rotateSession(config: ApiConfig, tx: PlainTx, session: HeldSession): Promise<IssuedRefresh> {
  const { id: sessionId, salt } = session;
  if (!session.isNewest) {
    const secret = makeRefreshSecret(config.AUTH_TOKEN_SECRET, { sessionId, salt, generation: session.generation });
    return issue(sessionId, secret, [session]);
  }
  const generation = session.generation + 1;
  const secret = makeRefreshSecret(config.AUTH_TOKEN_SECRET, { sessionId, salt, generation });
  const rows = await tx
    .update(authSessions)
    .set({
      refreshGeneration: generation,
      refreshHash: hashRefreshSecret(secret),
      rotatedAt: clockNow,
      lastUsedAt: clockNow,
      idleExpiresAt: sql`least(${inSeconds(config.SESSION_TTL_SEC)}, ${authSessions.absoluteExpiresAt})`,
    })
    .where(eq(authSessions.id, sessionId))
    .returning({ maxAgeSec: secondsLeft });
  return issue(sessionId, secret, rows);
}

/** Ends one session of this user at once, access tokens included. False when the user has no such live session. */
export async function revokeSession(tx: PlainTx, userId: string, sessionId: string): Promise<boolean> {
  return (await revokeWhere(tx, and(isLive(userId), eq(authSessions.id, sessionId)))) > 0;
}

/**
 * Ends all sessions of this user at once; answers how many were alive. Call it in a transaction that holds no session:
 * the lock on the user makes such calls take turns, where two that lock sessions in different orders would deadlock.
 */
export async function revokeAllSessions(tx: PlainTx, userId: string): Promise<number> {
  await lockUser(tx, userId);
  return revokeWhere(tx, isLive(userId));
}

/** As `revokeAllSessions`, but for the one at hand, in a transaction that has locked the user. */
export async function revokeOtherSessions(tx: PlainTx, userId: string, sessionId: string): Promise<number> {
  return revokeWhere(tx, and(isLive(userId), ne(authSessions.id, sessionId)));
}

/** Whether this session of this user still counts, at this moment and in this transaction. */
export async function isSessionAlive(tx: PlainTx | OrgTx, userId: string, sessionId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: authSessions.id })
    .from(authSessions)
    .where(and(isLive(userId), eq(authSessions.id, sessionId)));
  return rows.length > 0;
}

/** Far more than anybody uses; they are the newest. */
const MAX_ADDRESSES = 200;

/**
 * The addresses that the user with this e-mail address signed in from, as far as rows of sessions are kept, ended ones
 * included. One statement, whether or not there is such a user.
 */
export async function findSignInAddresses(tx: PlainTx, email: string): Promise<string[]> {
  const rows = await tx
    .select({ ipAddress: authSessions.ipAddress })
    .from(authSessions)
    .innerJoin(users, eq(users.id, authSessions.userId))
    .where(hasEmail(email))
    .orderBy(desc(authSessions.createdAt))
    .limit(MAX_ADDRESSES);
  return rows.flatMap(({ ipAddress }) => ipAddress ?? []);
}

/** Matches the sessions of this user that still count, as `authorize` does. */
export function isLive(userId: string) {
  return and(eq(authSessions.userId, userId), isAlive);
}

/** Not now(): that is when the transaction began, which may be long before it got the lock on the row. */
const clockNow = sql`clock_timestamp()`;
const isAlive = and(
  isNull(authSessions.revokedAt),
  gt(authSessions.idleExpiresAt, clockNow),
  gt(authSessions.absoluteExpiresAt, clockNow),
);
const secondsLeft = sql`floor(extract(epoch FROM ${authSessions.idleExpiresAt} - clock_timestamp()))`.mapWith(Number);

async function revokeWhere(tx: PlainTx, where: SQL | undefined): Promise<number> {
  const rows = await tx
    .update(authSessions)
    .set({ revokedAt: clockNow })
    .where(where)
    .returning({ id: authSessions.id });
  return rows.length;
}

async function lockSession(tx: PlainTx, sessionId: string) {
  const [row] = await tx
    .select({
      id: authSessions.id,
      salt: authSessions.refreshSalt,
      generation: authSessions.refreshGeneration,
      hash: authSessions.refreshHash,
      isInGrace: sql<boolean>`coalesce(${authSessions.rotatedAt} > ${inSeconds(-GRACE_SEC)}, false)`,
      maxAgeSec: secondsLeft,
      userId: authSessions.userId,
    })
    .from(authSessions)
    .where(and(eq(authSessions.id, sessionId), isAlive))
    .for('update');
  if (!row) return undefined;
  const [user] = await tx.select().from(users).where(eq(users.id, row.userId));
  return user && { ...row, user };
}

function inSeconds(seconds: number) {
  return sql`clock_timestamp() + make_interval(secs => ${seconds})`;
}

function issue(sessionId: string, secret: Buffer, rows: { maxAgeSec: number }[]): IssuedRefresh {
  const maxAgeSec = Math.max(rows[0]?.maxAgeSec ?? 0, 0);
  return { sessionId, refreshToken: writeRefreshToken({ sessionId, secret }), maxAgeSec };
}
