import { integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';
import type { RoleKey } from './roles.ts';

export const organizationInvitations = app.table(
  'organization_invitations',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    email: text('email').notNull(),
    roleKey: text('role_key').$type<RoleKey>().notNull(),
    tokenHash: bytea('token_hash').notNull(),
    /** Rises when the invitation is sent again with a new token. */
    generation: integer('generation').notNull().default(0),
    resentAt: instant('resent_at'),
    invitedByUserId: uuid('invited_by_user_id').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    acceptedAt: instant('accepted_at'),
    acceptedByUserId: uuid('accepted_by_user_id'),
    revokedAt: instant('revoked_at'),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);
