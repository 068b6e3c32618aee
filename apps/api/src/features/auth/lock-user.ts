import { users } from '@millrace/db/schema/users';
import type { PlainTx } from '@millrace/db/tenant';
import { eq } from 'drizzle-orm';

/**
 * The user, locked until the transaction ends, before any session, identity or token of theirs: whatever changes how they
 * sign in takes turns on this lock, and so sees what the one before it did.
 */
export async function lockUser(tx: PlainTx, userId: string): Promise<typeof users.$inferSelect | undefined> {
  const [user] = await tx.select().from(users).where(eq(users.id, userId)).for('no key update');
  return user;
}
