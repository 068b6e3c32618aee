import { integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';

export const orgMails = app.table(
  'org_mails',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    template: text('template').notNull(),
    recipient: text('recipient').notNull(),
    data: jsonb('data').$type<Record<string, unknown>>().notNull().default({}),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull().defaultNow(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);
