import { bigint, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

export const auditLog = app.table(
  'audit_log',
  {
    orgId: orgId(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    occurredAt: instant('occurred_at').notNull(),
    actorUserId: uuid('actor_user_id'),
    actorApiKeyId: uuid('actor_api_key_id'),
    action: text('action').notNull(),
    subjectType: text('subject_type').notNull(),
    subjectId: text('subject_id'),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    requestId: uuid('request_id'),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
    prevHash: bytea('prev_hash'),
    hash: bytea('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.seq] })],
);

/** Where each organization's chain of entries ends. */
export const auditHeads = app.table('audit_heads', {
  orgId: orgId().primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  hash: bytea('hash').notNull(),
});
