import { jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';

export const organizationVariables = app.table(
  'organization_variables',
  {
    orgId: orgId(),
    name: text('name').notNull(),
    value: jsonb('value').notNull(),
    updatedByUserId: uuid('updated_by_user_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.name] })],
);
