import { integer, jsonb, primaryKey, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

export const workflowHooks = app.table(
  'workflow_hooks',
  {
    orgId: orgId(),
    workflowId: uuid('workflow_id').notNull(),
    /** Rises when the address is replaced. */
    generation: integer('generation').notNull().default(0),
    tokenHash: bytea('token_hash').notNull(),
    secretSealed: bytea('secret_sealed'),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.workflowId] })],
);

export const hookDeliveries = app.table(
  'hook_deliveries',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    workflowId: uuid('workflow_id').notNull(),
    version: integer('version').notNull(),
    /** Of the run that this delivery makes or has made. */
    runId: uuid('run_id').notNull(),
    dedupeHash: bytea('dedupe_hash'),
    /** Until the run is made; then the run holds it. */
    input: jsonb('input'),
    maxAttempts: integer('max_attempts').notNull(),
    /** Null once the run is made. */
    nextSweepAt: instant('next_sweep_at'),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at'),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);
