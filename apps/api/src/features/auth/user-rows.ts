import { users } from '@millrace/db/schema/users';
import type { PlainTx } from '@millrace/db/tenant';
import { eq, sql } from 'drizzle-orm';

export type UserRow = typeof users.$inferSelect;

/** The account with this address, which is folded as the contract's `Email` folds it. */
export async function findUserByEmail(tx: PlainTx, email: string): Promise<UserRow | undefined> {
  const [user] = await tx.select().from(users).where(hasEmail(email));
  return user;
}

/**
 * The user, locked until the transaction ends, before any session, identity or token of theirs: whatever changes how they
 * sign in takes turns on this lock, and so sees what the one before it did.
 */
export async function lockUser(tx: PlainTx, userId: string): Promise<UserRow | undefined> {
  const [user] = await tx.select().from(users).where(eq(users.id, userId)).for('no key update');
  return user;
}

/** As `lockUser`, for the account with this address. */
export async function lockUserByEmail(tx: PlainTx, email: string): Promise<UserRow | undefined> {
  const [user] = await tx.select().from(users).where(hasEmail(email)).for('no key update');
  return user;
}

/** Matches the account with this address. The unique index is on the folded one. */
export function hasEmail(email: string) {
  return eq(sql`lower(${users.email})`, email);
}
