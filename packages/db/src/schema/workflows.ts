import { boolean, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';

export const workflows = app.table(
  'workflows',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    name: text('name').notNull(),
    draftDefinition: jsonb('draft_definition').notNull(),
    /** Counts saves of the draft; two editors are told apart by it. */
    revision: integer('revision').notNull().default(1),
    /** Counts publishes; 0 while there is no published version. */
    version: integer('version').notNull().default(0),
    /** The draft revision that the newest version was made from. */
    publishedRevision: integer('published_revision'),
    status: text('status').$type<'draft' | 'published'>().notNull().default('draft'),
    isEnabled: boolean('is_enabled').notNull().default(true),
    createdByUserId: uuid('created_by_user_id'),
    publishedAt: instant('published_at'),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);

export const workflowVersions = app.table(
  'workflow_versions',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    version: integer('version').notNull(),
    definition: jsonb('definition').notNull(),
    note: text('note'),
    publishedByUserId: uuid('published_by_user_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId, table.version] })],
);

export const workflowPins = app.table(
  'workflow_pins',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    stepId: text('step_id').notNull(),
    output: jsonb('output').notNull(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId, table.stepId] })],
);
