import { integer, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant } from './columns.ts';
import { users } from './users.ts';

export const authSessions = app.table('auth_sessions', {
  id: uuid('id').primaryKey(),
  userId: uuid('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' }),
  refreshGeneration: integer('refresh_generation').notNull().default(0),
  refreshSalt: bytea('refresh_salt').notNull(),
  refreshHash: bytea('refresh_hash').notNull(),
  rotatedAt: instant('rotated_at'),
  idleExpiresAt: instant('idle_expires_at').notNull(),
  absoluteExpiresAt: instant('absolute_expires_at').notNull(),
  revokedAt: instant('revoked_at'),
  userAgent: text('user_agent'),
  ipAddress: text('ip_address'),
  createdAt: instant('created_at').notNull().defaultNow(),
  lastUsedAt: instant('last_used_at').notNull().defaultNow(),
});
