import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database } from './connect.ts';
import { toJsonText } from './json-text.ts';
import { idempotencyKeys } from './schema/idempotency-keys.ts';
import { type OrgTx, withOrg } from './tenant.ts';

/** Answers kept under an `Idempotency-Key`, so that a request sent twice does its work once. */

const LIFETIME = sql`now() + interval '24 hours'`;

export interface StoredAnswer {
  scope: string;
  requestHash: Buffer;
  response: unknown;
  /** The first request is still at work, or its process died before it could say how it ended. */
  isPending: boolean;
}

/** The living answer of a key, if any. */
export async function findAnswer(db: Database, orgId: string, key: string): Promise<StoredAnswer | undefined> {
  const { scope, requestHash, response, status } = idempotencyKeys;
  const rows = await withOrg(db, orgId, (tx) =>
    tx
      .select({ scope, requestHash, response, isPending: sql<boolean>`${status} is null` })
      .from(idempotencyKeys)
      .where(and(eq(idempotencyKeys.orgId, orgId), eq(idempotencyKeys.key, key), sql`expires_at > now()`)),
  );
  return rows[0];
}

/**
 * Stores the answer in the transaction that stores what it tells about: neither can exist without the other. False when
 * the key is taken; the caller then rolls back. Waits while another transaction holds the same key uncommitted.
 */
export async function reserveAnswer(
  tx: OrgTx,
  request: { key: string; scope: string; requestHash: Buffer },
  response: unknown,
): Promise<boolean> {
  const { key, scope, requestHash } = request;
  await tx
    .delete(idempotencyKeys)
    .where(
      and(eq(idempotencyKeys.orgId, tx.orgId), eq(idempotencyKeys.key, key), lt(idempotencyKeys.expiresAt, sql`now()`)),
    );
  const rows = await tx
    .insert(idempotencyKeys)
    .values({
      orgId: tx.orgId,
      key,
      scope,
      requestHash,
      response: sql`${toJsonText(response)}::jsonb`,
      expiresAt: LIFETIME,
    })
    .onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  return rows.length > 0;
}

/** Says what has been done so far, unless the answer is final already. */
export async function updatePendingAnswer(db: Database, orgId: string, key: string, response: unknown): Promise<void> {
  await withOrg(db, orgId, (tx) =>
    tx
      .update(idempotencyKeys)
      .set({ response: sql`${toJsonText(response)}::jsonb` })
      .where(and(eq(idempotencyKeys.orgId, orgId), eq(idempotencyKeys.key, key), isNull(idempotencyKeys.status))),
  );
}

/**
 * Marks the answer as final: from now on it is replayed at once, and its work can no longer be taken back. False when
 * there is no such answer any more.
 */
export async function finishAnswer(db: Database, orgId: string, key: string, status: number): Promise<boolean> {
  const rows = await withOrg(db, orgId, (tx) =>
    tx
      .update(idempotencyKeys)
      .set({ status })
      .where(and(eq(idempotencyKeys.orgId, orgId), eq(idempotencyKeys.key, key)))
      .returning({ key: idempotencyKeys.key }),
  );
  return rows.length > 0;
}

/**
 * Forgets a key whose work is being taken back in this transaction (503), so that the same key starts it again. False
 * when the answer is final already: somebody was told that the work is accepted, so it must stay.
 */
export async function forgetPendingAnswer(tx: OrgTx, key: string): Promise<boolean> {
  const rows = await tx
    .delete(idempotencyKeys)
    .where(and(eq(idempotencyKeys.orgId, tx.orgId), eq(idempotencyKeys.key, key), isNull(idempotencyKeys.status)))
    .returning({ key: idempotencyKeys.key });
  return rows.length > 0;
}

/** Removes at most `limit` expired answers of any organization; answers how many. Of several callers one does the work. */
export async function purgeExpiredAnswers(db: Database, limit: number): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT sys.purge_idempotency_keys($1) AS count', [limit]);
  return rows[0]?.count ?? 0;
}
