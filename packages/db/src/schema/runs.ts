import { sql } from 'drizzle-orm';
import { bigint, boolean, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { app, bytea, instant, orgId } from './columns.ts';

export type RunStatus = 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';
export type StepStatus = 'pending' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled';

/** In output columns SQL null means "none"; a JSON null that a step returned is stored as such. Both read as null. */
export const workflowRuns = app.table(
  'workflow_runs',
  {
    orgId: orgId(),
    id: uuid('id').notNull(),
    workflowId: uuid('workflow_id').notNull(),
    version: integer('version').notNull(),
    triggerType: text('trigger_type').notNull(),
    status: text('status').$type<RunStatus>().notNull().default('queued'),
    state: jsonb('state'),
    input: jsonb('input'),
    output: jsonb('output'),
    error: jsonb('error').$type<{ code: string; message: string; stepId?: string }>(),
    attemptCount: integer('attempt_count').notNull().default(0),
    maxAttempts: integer('max_attempts').notNull().default(1),
    nextAttemptAt: instant('next_attempt_at'),
    retryOfRunId: uuid('retry_of_run_id'),
    /** The run and the step that started it. */
    parentRunId: uuid('parent_run_id'),
    parentStepKey: text('parent_step_key'),
    isAwaited: boolean('is_awaited').notNull().default(false),
    depth: integer('depth').notNull().default(0),
    requestedByUserId: uuid('requested_by_user_id'),
    /** Why no worker is woken for a queued run; null for one that is admitted. */
    heldBy: text('held_by').$type<'organization' | 'concurrency'>(),
    concurrencyKey: text('concurrency_key'),
    concurrencyLimit: integer('concurrency_limit'),
    /** The tick it was made for, of a cron trigger. */
    scheduledAt: instant('scheduled_at'),
    leaseToken: bigint('lease_token', { mode: 'number' }).notNull().default(0),
    leaseUntil: instant('lease_until'),
    lostClaims: integer('lost_claims').notNull().default(0),
    nextSweepAt: instant('next_sweep_at'),
    signalsSent: integer('signals_sent').notNull().default(0),
    signalsRead: integer('signals_read').notNull().default(0),
    eventCount: integer('event_count').notNull().default(0),
    /** Of the output, when it stands in a blob. */
    outputBytes: integer('output_bytes'),
    lastRecordId: uuid('last_record_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    /** Queued for a worker, not for a date, or running: for the index of these, which no claim may have to write. */
    isActive: boolean('is_active')
      .notNull()
      .generatedAlwaysAs(sql`status = 'running' OR (status = 'queued' AND next_attempt_at IS NULL)`),
    /** The status of a run that failed or was cancelled, for the index of these. */
    unsuccessfulStatus: text('unsuccessful_status')
      .$type<'failed' | 'cancelled'>()
      .generatedAlwaysAs(sql`CASE WHEN status IN ('failed', 'cancelled') THEN status END`),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.id] })],
);

export const workflowRunSteps = app.table(
  'workflow_run_steps',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    stepKey: text('step_key').notNull(),
    type: text('type').notNull(),
    status: text('status').$type<StepStatus>().notNull(),
    attempt: integer('attempt').notNull().default(0),
    input: jsonb('input'),
    output: jsonb('output'),
    /** Of values that stand in a blob. */
    inputBytes: integer('input_bytes'),
    outputBytes: integer('output_bytes'),
    error: jsonb('error').$type<{ code: string; message: string }>(),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    /** The order among steps that were recorded together. */
    ordinal: integer('ordinal').notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.stepKey] })],
);

/** Values of more than 64 kB, compressed with zstd; the run's own output under the empty step key. */
export const workflowRunBlobs = app.table(
  'workflow_run_blobs',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    stepKey: text('step_key').notNull(),
    field: text('field').$type<'input' | 'output'>().notNull(),
    sizeBytes: integer('size_bytes').notNull(),
    data: bytea('data').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.stepKey, table.field] })],
);

/** Files of a run; a size of null: not all of it is stored yet. */
export const workflowRunFiles = app.table(
  'workflow_run_files',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    id: uuid('id').notNull(),
    stepKey: text('step_key').notNull(),
    name: text('name').notNull(),
    contentType: text('content_type').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.id] })],
);

export const workflowRunFileChunks = app.table(
  'workflow_run_file_chunks',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    fileId: uuid('file_id').notNull(),
    number: integer('number').notNull(),
    data: bytea('data').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.fileId, table.number] })],
);

export const workflowRunSignals = app.table(
  'workflow_run_signals',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    number: integer('number').notNull(),
    type: text('type').$type<'cancel' | 'decide' | 'resume'>().notNull(),
    stepKey: text('step_key'),
    payload: jsonb('payload'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.number] })],
);

/** The timeline: one row for each record of a run's owner. */
export const workflowRunEvents = app.table(
  'workflow_run_events',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    number: integer('number').notNull(),
    at: instant('at').notNull().defaultNow(),
    entries: jsonb('entries').$type<readonly unknown[]>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.number] })],
);

/** Calls to the addresses of steps that wait for one; without `input` nobody called in time. */
export const workflowRunCalls = app.table(
  'workflow_run_calls',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    stepKey: text('step_key').notNull(),
    input: jsonb('input'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.stepKey] })],
);

/** Attempts that a run's owner has offered to all workers. */
export const workflowRunAttempts = app.table(
  'workflow_run_attempts',
  {
    orgId: orgId(),
    runId: uuid('run_id').notNull(),
    stepKey: text('step_key').notNull(),
    attempt: integer('attempt').notNull(),
    leaseToken: bigint('lease_token', { mode: 'number' }).notNull(),
    executorId: uuid('executor_id'),
    leaseUntil: instant('lease_until'),
    outcome: jsonb('outcome'),
    outcomeBlob: bytea('outcome_blob'),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.runId, table.stepKey, table.attempt] })],
);

/** What the end of one run means for another; gone once it was passed on. */
export const childRunEvents = app.table(
  'child_run_events',
  {
    orgId: orgId(),
    parentRunId: uuid('parent_run_id').notNull(),
    parentStepKey: text('parent_step_key').notNull(),
    type: text('type').$type<'ended' | 'cancel'>().notNull(),
    nextSweepAt: instant('next_sweep_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.parentRunId, table.parentStepKey, table.type] })],
);
