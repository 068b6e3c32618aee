import { integer, uuid } from 'drizzle-orm/pg-core';
import { app, instant } from './columns.ts';

/** How long an organization keeps runs that have ended; without a row, as long as the server says. */
export const runRetentionSettings = app.table('run_retention_settings', {
  orgId: uuid('org_id').primaryKey(),
  days: integer('days').notNull(),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});
