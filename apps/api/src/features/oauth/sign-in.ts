import { violatedUniqueKey } from '@millrace/db/failures';
import { users } from '@millrace/db/schema/users';
import { type PlainTx, withoutOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import type { PublicContext } from '../../context.ts';
import { type SignedIn, signIn } from '../auth/service.ts';
import { createSession, type IssuedRefresh } from '../auth/sessions.ts';
import { closeWaysIn, closeWaysIntoOrganizations, endMailedLinks } from '../auth/takeover.ts';
import { lockUser, lockUserByEmail, type UserRow } from '../auth/user-rows.ts';
import { addIdentity, findIdentityOwner, type Login, linkToAccount, touchIdentity, verifiedEmail } from './accounts.ts';
import { refuse } from './refusals.ts';

/** Others may sign in, link or unlink at the same moment; each time around sees what they did. */
const MAX_ROUNDS = 5;

type Outcome = { user: UserRow; refresh: IssuedRefresh } | { takenOverId: string };

/**
 * Signs in whoever the provider says it is: the owner of the identity; else, by an address the provider has verified,
 * the owner of the account with that address; else a new user. Refuses a disabled user and an unverified address.
 */
export async function signInAs(context: PublicContext, login: Login): Promise<SignedIn> {
  let takenOverId: string | undefined;
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    const outcome = await tryOnce(context, login, takenOverId);
    if (outcome && 'user' in outcome) {
      context.deps.mailSender.poke();
      return signIn(context, outcome.user, outcome.refresh);
    }
    if (!outcome) continue;
    await closeWaysIntoOrganizations(context, outcome.takenOverId);
    takenOverId = outcome.takenOverId;
  }
  throw new AppError('CONFLICT', 'Too much happened to this account at the same moment; start the sign-in again.');
}

/** Undefined when somebody else made the identity meanwhile. */
async function tryOnce(
  context: PublicContext,
  login: Login,
  takenOverId: string | undefined,
): Promise<Outcome | undefined> {
  try {
    return await withoutOrg(context.deps.db, async (tx) => {
      const user = (await findKnown(tx, login)) ?? (await findByAddress(tx, login, takenOverId));
      if ('takenOverId' in user) return user;
      return { user, refresh: await createSession(context.deps.config, tx, user.id, context.client) };
    });
  } catch (error) {
    const key = violatedUniqueKey(error);
    if (key === 'user_identities_user_key') throw refuse('account_has_other_identity');
    if (key === 'user_identities_pkey') return undefined;
    throw error;
  }
}

/** The address is of no interest here: people change it, and the provider's id of them stays. */
async function findKnown(tx: PlainTx, login: Login): Promise<UserRow | undefined> {
  const ownerId = await findIdentityOwner(tx, login);
  const user = ownerId && (await lockUser(tx, ownerId));
  // Asked again under the lock: a takeover or an unlinking may have come first.
  if (!user || !(await touchIdentity(tx, login, user.id))) return undefined;
  if (user.disabledAt) throw refuse('user_disabled');
  return user;
}

async function findByAddress(
  tx: PlainTx,
  login: Login,
  takenOverId: string | undefined,
): Promise<UserRow | { takenOverId: string }> {
  const email = verifiedEmail(login.person);
  const created = await createUser(tx, login, email);
  if (created) {
    await addIdentity(tx, login, created.id);
    return created;
  }
  const user = await lockUserByEmail(tx, email);
  if (!user) throw new AppError('CONFLICT', 'This address changed hands at this moment; start the sign-in again.');
  if (user.disabledAt) throw refuse('user_disabled');
  if (!user.emailVerifiedAt) return takeOver(tx, login, user, takenOverId);
  await linkToAccount(tx, login, user);
  return user;
}

/** Waits for whoever signs up with the address at this moment; undefined when there is an account with it. */
async function createUser(tx: PlainTx, { person }: Login, email: string): Promise<UserRow | undefined> {
  const [created] = await tx
    .insert(users)
    .values({ id: newId(), email, displayName: person.displayName, emailVerifiedAt: sql`now()` })
    .onConflictDoNothing()
    .returning();
  return created;
}

/** First the ways in are closed; the owner is let in when those into its organizations are closed as well. */
async function takeOver(
  tx: PlainTx,
  login: Login,
  user: UserRow,
  takenOverId: string | undefined,
): Promise<UserRow | { takenOverId: string }> {
  await closeWaysIn(tx, user.id);
  await endMailedLinks(tx, user.id);
  if (user.id !== takenOverId) return { takenOverId: user.id };
  const [owned] = await tx
    .update(users)
    .set({ displayName: login.person.displayName, emailVerifiedAt: sql`now()`, updatedAt: sql`now()` })
    .where(eq(users.id, user.id))
    .returning();
  if (!owned) throw new Error('a locked user went away');
  await addIdentity(tx, login, user.id);
  return owned;
}
