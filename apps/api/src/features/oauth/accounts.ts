import { userIdentities } from '@millrace/db/schema/identities';
import type { PlainTx } from '@millrace/db/tenant';
import type { OAuthProvider } from '@millrace/shared/contracts/auth';
import { and, eq, sql } from 'drizzle-orm';
import type { UserRow } from '../auth/user-rows.ts';
import { queueAccountMail } from '../mails/outbox.ts';
import type { ProviderIdentity } from './provider.ts';
import { refuse } from './refusals.ts';

/** Somebody as a provider knows them. */
export interface Login {
  provider: OAuthProvider;
  person: ProviderIdentity;
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

/** As `addIdentity`, for an account that was there before: its owner is told that there is a new way into it. */
export async function linkToAccount(tx: PlainTx, login: Login, user: UserRow): Promise<void> {
  await addIdentity(tx, login, user.id);
  const data = { provider: login.provider, providerEmail: verifiedEmail(login.person) };
  await queueAccountMail(tx, { userId: user.id, template: 'identity-linked', recipient: user.email, data });
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
