import { bigint, integer, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant } from './columns.ts';

/** The one tenant table whose organization column is its own id. */
export const organizations = app.table('organizations', {
  id: uuid('id').primaryKey(),
  slug: text('slug').notNull().unique('organizations_slug_key'),
  name: text('name').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});

/** What is left of a deleted organization; written by the database alone and out of every program's reach. */
export const deletedOrganizations = app.table('deleted_organizations', {
  id: uuid('id').primaryKey(),
  deletedAt: instant('deleted_at').notNull(),
  /** Where its audit log ended; 0 and null when it had no entry. */
  seq: bigint('seq', { mode: 'number' }).notNull(),
  hash: bytea('hash'),
  memberCount: integer('member_count').notNull(),
  workflowCount: integer('workflow_count').notNull(),
  /** Of the runs that were left: most of many go before the organization does. */
  runCount: integer('run_count').notNull(),
});
