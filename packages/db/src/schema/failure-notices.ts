import { integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

export type NoticeChannel = 'none' | 'email' | 'webhook';

type FailureError = { code: string | null; message: string | null };

/** A notice that is being told, the same for every try. */
export interface SendingNotice {
  id: string;
  count: number;
  /** The newest failure when it was first tried. */
  runId: string;
  error: FailureError | null;
  at: string;
  /** Addresses that have it already. */
  told: string[];
}

export const failureNoticeSettings = app.table('failure_notice_settings', {
  orgId: orgId().primaryKey(),
  channel: text('channel').$type<NoticeChannel>().notNull(),
  emails: text('emails').array().notNull().default([]),
  /** In the clear, from before URLs were sealed; null in every row written since. */
  webhookUrl: text('webhook_url'),
  webhookUrlSealed: bytea('webhook_url_sealed'),
  webhookGeneration: integer('webhook_generation').notNull().default(0),
  testedAt: instant('tested_at'),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});

export const failureNotices = app.table(
  'failure_notices',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    failedCount: integer('failed_count').notNull(),
    lastRunId: uuid('last_run_id').notNull(),
    lastError: jsonb('last_error').$type<FailureError>(),
    sending: jsonb('sending').$type<SendingNotice>(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId] })],
);
