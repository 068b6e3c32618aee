import { integer, uuid } from 'drizzle-orm/pg-core';
import { app } from './columns.ts';

/** What an operator gives an organization beside the defaults. Programs only read it. */
export const orgRunLimits = app.table('org_run_limits', {
  orgId: uuid('org_id').primaryKey(),
  weight: integer('weight').notNull().default(1),
  maxConcurrentRuns: integer('max_concurrent_runs'),
  maxQueuedRuns: integer('max_queued_runs'),
});
