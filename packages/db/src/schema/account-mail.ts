import { integer, jsonb, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant } from './columns.ts';
import { users } from './users.ts';

export type AccountTokenPurpose = 'verify_email' | 'reset_password';

const userId = () => uuid('user_id').references(() => users.id, { onDelete: 'cascade' });

export const accountTokens = app.table('account_tokens', {
  id: uuid('id').primaryKey(),
  userId: userId().notNull(),
  purpose: text('purpose').$type<AccountTokenPurpose>().notNull(),
  email: text('email').notNull(),
  tokenHash: bytea('token_hash').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
  expiresAt: instant('expires_at').notNull(),
  usedAt: instant('used_at'),
});

export const accountMails = app.table('account_mails', {
  id: uuid('id').primaryKey(),
  /** Null for a reset that somebody asked for: whose it is, if anybody's, is found out when it is due. */
  userId: userId(),
  template: text('template').notNull(),
  recipient: text('recipient').notNull(),
  data: jsonb('data').$type<Record<string, unknown>>().notNull().default({}),
  attempts: integer('attempts').notNull().default(0),
  nextAttemptAt: instant('next_attempt_at').notNull().defaultNow(),
  createdAt: instant('created_at').notNull().defaultNow(),
});
