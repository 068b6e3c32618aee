import { integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, instant, orgId } from './columns.ts';

export type NoticeChannel = 'none' | 'email' | 'webhook';

export const failureNoticeSettings = app.table('failure_notice_settings', {
  orgId: orgId().primaryKey(),
  channel: text('channel').$type<NoticeChannel>().notNull(),
  emails: text('emails').array().notNull().default([]),
  webhookUrl: text('webhook_url'),
  webhookGeneration: integer('webhook_generation').notNull().default(0),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});

export const failureNotices = app.table(
  'failure_notices',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    failedCount: integer('failed_count').notNull(),
    lastRunId: uuid('last_run_id').notNull(),
    lastError: jsonb('last_error').$type<{ code: string; message: string; stepId?: string }>(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId] })],
);
