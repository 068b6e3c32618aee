import { primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { authSessions } from './auth-sessions.ts';
import { app, bytea, instant } from './columns.ts';
import { users } from './users.ts';

export type IdentityProvider = 'google' | 'github';

const provider = () => text('provider').$type<IdentityProvider>().notNull();

export const userIdentities = app.table(
  'user_identities',
  {
    provider: provider(),
    /** The provider's own, unchanging id of the person. */
    subject: text('subject').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    email: text('email').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastUsedAt: instant('last_used_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.provider, table.subject] }),
    uniqueIndex('user_identities_user_key').on(table.userId, table.provider),
  ],
);

export const oauthFlows = app.table('oauth_flows', {
  stateHash: bytea('state_hash').primaryKey(),
  browserHash: bytea('browser_hash').notNull(),
  provider: provider(),
  sealedVerifier: bytea('sealed_verifier').notNull(),
  nonce: text('nonce'),
  returnPath: text('return_path').notNull(),
  /** Set when a signed-in person links the provider to their account. */
  userId: uuid('user_id').references(() => users.id, { onDelete: 'cascade' }),
  /** The session they linked from: the link counts only while it lives. */
  sessionId: uuid('session_id').references(() => authSessions.id, { onDelete: 'cascade' }),
  createdAt: instant('created_at').notNull().defaultNow(),
  /** The IPv4 address or IPv6 /48 it was begun from. */
  network: text('network'),
  expiresAt: instant('expires_at').notNull(),
});
