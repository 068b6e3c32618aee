import { availableParallelism } from 'node:os';
import { parseEgressRules } from '@millrace/connectors/egress';
import { createSafeFetch } from '@millrace/connectors/safe-fetch';
import type { HttpClient } from '@millrace/connectors/sdk';
import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { loadDefinition } from '@millrace/db/workflow-versions';
import { openQueue, type RunQueue } from '@millrace/queue/queue';
import type { WorkerConfig } from '@millrace/shared/config';
import { dependencyFailed } from '@millrace/shared/events';
import { openTracing } from '@millrace/shared/open-tracing';
import { platformHosts } from '@millrace/shared/platform-hosts';
import { resumeKeyOf } from '@millrace/shared/resume-urls';
import type { Tracing } from '@millrace/shared/tracing';
import type { Logger } from 'pino';
import { measured } from './expressions/measured.ts';
import { type ExpressionPool, openExpressionPool } from './expressions/pool.ts';
import { type AttemptLeases, createAttemptLeases } from './runs/attempt-leases.ts';
import { type AttemptSlots, createAttemptSlots } from './runs/attempt-slots.ts';
import { createLeases, type Leases } from './runs/lease.ts';
import { createPlanner, type Planner } from './runs/planner.ts';
import { createRunGate, type RunGate } from './runs/run-gate.ts';

/** How the end of the program reaches the runs: first `draining` (begin no further step), later `stopping` (let go). */
export interface Shutdown {
  draining: AbortSignal;
  stopping: AbortSignal;
}

/** Everything the execution of runs needs from outside, opened once and passed first. */
export interface Deps {
  config: WorkerConfig;
  log: Logger;
  db: Database;
  queue: RunQueue;
  http: HttpClient;
  expressions: ExpressionPool;
  planner: Planner;
  leases: Leases;
  gate: RunGate;
  slots: AttemptSlots;
  attemptLeases: AttemptLeases;
  /** By run, of those whose owner is this process and has offered attempts: called when one may have ended. */
  outcomeBells: Map<string, () => void>;
  tracing: Tracing;
  /** Makes resume URLs; undefined when no setting gives it. */
  resumeKey: Buffer | undefined;
  shutdown: Shutdown;
}

/** Measured: with 50 runs at a time more connections add latency and no rate. */
const DATABASE_POOL_SIZE = 20;
const MAX_EXPRESSION_CHILDREN = 4;

/** Opens the connections; none of them needs its server to be up yet. Throws a ConfigError when a setting cannot work. */
export async function openDeps(config: WorkerConfig, log: Logger, shutdown: Shutdown): Promise<Deps> {
  const http = createSafeFetch({
    allow: parseEgressRules(config.EGRESS_ALLOW_CIDRS),
    refuse: platformHosts(config, config.WORKER_DATABASE_URL),
  });
  const db = connectDatabase({
    url: config.WORKER_DATABASE_URL,
    poolSize: DATABASE_POOL_SIZE,
    prepared: config.DATABASE_PREPARED,
    admission: { window: config.ORG_ADMISSION_WINDOW, mostQueuedRuns: config.ORG_MAX_QUEUED_RUNS },
    applicationName: 'millrace-worker',
    onError: (error) => dependencyFailed(log, { dependency: 'postgresql', error: error.message }),
  });
  return {
    config,
    log,
    db,
    queue: openQueue({ redisUrl: config.REDIS_URL, queueName: config.WORKFLOW_QUEUE_NAME }),
    http,
    expressions: measured(openExpressionPool({ size: Math.min(availableParallelism(), MAX_EXPRESSION_CHILDREN) })),
    planner: createPlanner(
      { maxAttempts: config.WORKFLOW_RETRY_ATTEMPTS, backoffMs: config.WORKFLOW_RETRY_BACKOFF_MS },
      (ref) => loadDefinition(db, ref),
    ),
    leases: createLeases(db),
    gate: createRunGate(),
    slots: createAttemptSlots(config.WORKFLOW_STEP_CONCURRENCY),
    attemptLeases: createAttemptLeases(db),
    outcomeBells: new Map(),
    tracing: await openTracing(config, log, 'millrace-worker'),
    resumeKey: resumeKeyOf(config),
    shutdown,
  };
}

export async function closeDeps(deps: Deps): Promise<void> {
  await deps.expressions.close();
  await deps.queue.close();
  await Promise.all([closeDatabase(deps.db), deps.tracing.close()]);
}
