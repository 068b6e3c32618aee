import { authSessions } from '@millrace/db/schema/auth-sessions';
import { userIdentities } from '@millrace/db/schema/identities';
import { users } from '@millrace/db/schema/users';
import type { PlainTx } from '@millrace/db/tenant';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { and, eq, sql } from 'drizzle-orm';
import { isLive } from '../auth/sessions.ts';
import type { ProviderIdentity } from './provider.ts';
import { refuse } from './refusals.ts';

export type UserRow = typeof users.$inferSelect;

/** Somebody as a provider knows them. */
export interface Login {
  provider: OAuthProvider;
  person: ProviderIdentity;
}

export async function lockUserByEmail(tx: PlainTx, email: string): Promise<UserRow | undefined> {
  const [user] = await tx
    .select()
    .from(users)
    .where(eq(sql`lower(${users.email})`, email))
    .for('no key update');
  return user;
}

export async function findIdentityOwner(tx: PlainTx, { provider, person }: Login): Promise<string | undefined> {
  const [identity] = await tx
    .select({ userId: userIdentities.userId })
    .from(userIdentities)
    .where(and(eq(userIdentities.provider, provider), eq(userIdentities.subject, person.subject)));
  return identity?.userId;
}

/** Notes that the identity was used; false when it is not this user's, or no longer. */
export async function touchIdentity(tx: PlainTx, { provider, person }: Login, userId: string): Promise<boolean> {
  const rows = await tx
    .update(userIdentities)
    .set({ lastUsedAt: sql`now()`, ...(isReachable(person) && { email: person.email }) })
    .where(
      and(
        eq(userIdentities.provider, provider),
        eq(userIdentities.subject, person.subject),
        eq(userIdentities.userId, userId),
      ),
    )
    .returning({ userId: userIdentities.userId });
  return rows.length > 0;
}

/** Fails on `user_identities_pkey` for somebody else's, on `user_identities_user_key` beside another of the provider. */
export async function addIdentity(tx: PlainTx, { provider, person }: Login, userId: string): Promise<void> {
  const email = verifiedEmail(person);
  await tx.insert(userIdentities).values({ provider, subject: person.subject, userId, email });
}

export async function isSessionAlive(tx: PlainTx, userId: string, sessionId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: authSessions.id })
    .from(authSessions)
    .where(and(isLive(userId), eq(authSessions.id, sessionId)));
  return rows.length > 0;
}

/** The address that the provider vouches for. Refuses without one. */
export function verifiedEmail(person: ProviderIdentity): string {
  if (person.email === null) throw refuse('email_missing');
  if (!person.isEmailVerified) throw refuse('email_unverified');
  return person.email;
}

function isReachable(person: ProviderIdentity): person is ProviderIdentity & { email: string } {
  return person.email !== null && person.isEmailVerified;
}
