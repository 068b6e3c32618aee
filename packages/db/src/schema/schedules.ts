import type { CatchUp } from '@millrace/workflow/triggers/cron';
import { integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';

/** One row per published, enabled workflow with a cron trigger. */
export const workflowSchedules = app.table(
  'workflow_schedules',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    version: integer('version').notNull(),
    expression: text('expression').notNull(),
    timeZone: text('time_zone').notNull(),
    catchUp: text('catch_up').$type<CatchUp>().notNull(),
    maxAttempts: integer('max_attempts').notNull(),
    /** Null when the expression never comes true again. */
    nextFireAt: instant('next_fire_at'),
    lastFiredAt: instant('last_fired_at'),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId] })],
);
