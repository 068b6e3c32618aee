import { primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';
import type { RoleKey } from './roles.ts';

export const memberships = app.table(
  'memberships',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    userId: uuid('user_id').notNull(),
    roleKey: text('role_key').$type<RoleKey>().notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.orgId, table.id] }),
    unique('memberships_user_key').on(table.orgId, table.userId),
  ],
);
