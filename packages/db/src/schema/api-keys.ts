import type { Permission } from '@millrace/shared/permissions';
import { primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

export const apiKeys = app.table(
  'api_keys',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    name: text('name').notNull(),
    keyHash: bytea('key_hash').notNull(),
    /** The last characters of the key, so that a person can tell keys apart. */
    keyHint: text('key_hint').notNull(),
    permissions: text('permissions').array().$type<Permission[]>().notNull(),
    createdByUserId: uuid('created_by_user_id').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at'),
    lastUsedAt: instant('last_used_at'),
    revokedAt: instant('revoked_at'),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);
