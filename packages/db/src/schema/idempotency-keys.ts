import { integer, jsonb, primaryKey, text } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

/** `status` and `response` are null while the first request with the key is still being answered. */
export const idempotencyKeys = app.table(
  'idempotency_keys',
  {
    orgId: orgId(),
    key: text('key').notNull(),
    scope: text('scope').notNull(),
    requestHash: bytea('request_hash').notNull(),
    status: integer('status'),
    response: jsonb('response'),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.key] })],
);
