import { text, uuid } from 'drizzle-orm/pg-core';
import { app, instant } from './columns.ts';

/** The one tenant table whose organization column is its own id. */
export const organizations = app.table('organizations', {
  id: uuid('id').primaryKey(),
  slug: text('slug').notNull().unique('organizations_slug_key'),
  name: text('name').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});
