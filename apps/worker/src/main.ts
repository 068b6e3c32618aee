import { setTimeout as delay } from 'node:timers/promises';
import { parseEgressRules } from '@millrace/connectors/egress';
import { settleStuckChildEvents } from '@millrace/db/child-runs';
import { assertRestrictedRole } from '@millrace/db/connect';
import { makeStuckHookRuns } from '@millrace/db/hooks';
import { findStuckRuns, putBackStuckRuns } from '@millrace/db/runs';
import { schedulesIn } from '@millrace/db/schedules';
import type { RunConsumer } from '@millrace/queue/consumer';
import type { RunWake } from '@millrace/queue/jobs';
import { checkRedis } from '@millrace/queue/redis';
import { openScheduler } from '@millrace/queue/scheduler';
import { announceMade, startSweeper } from '@millrace/queue/sweeper';
import { parseConfig, WorkerConfig } from '@millrace/shared/config';
import { dependencyFailed, programStarted, programWarning, runsSwept } from '@millrace/shared/events';
import { armFailPoint } from '@millrace/shared/fail-points';
import { createLog } from '@millrace/shared/log';
import { type MetricsServer, startMetricsServer } from '@millrace/shared/metrics-server';
import { endOnSignal, failWith } from '@millrace/shared/program-end';
import { closeDeps, type Deps, openDeps } from './deps.ts';
import { answerStepTests, consumeJobs, hearBells, takeAttempts } from './jobs.ts';
import { tellSettled } from './runs/family.ts';

const PROGRAM = 'worker';
/** After SIGTERM: attempts under way may end in this time, then their runs are handed over. */
const DRAIN_MS = 10_000;
/** Handlers still busy then are left to the lease: another worker takes their runs over. */
const CLOSE_MS = 17_000;
/** A database that does not answer may not keep the program from ending. */
const END_MS = 19_000;

const log = createLog(PROGRAM, process.env.API_LOG_LEVEL);

try {
  await start();
} catch (error) {
  process.exit(failWith(log, error));
}

async function start(): Promise<void> {
  const config = parseConfig(WorkerConfig, process.env, { EGRESS_ALLOW_CIDRS: parseEgressRules });
  armFailPoint(config.FAIL_POINT);
  const draining = new AbortController();
  const stopping = new AbortController();
  const deps = await openDeps(config, log, { draining: draining.signal, stopping: stopping.signal });
  await assertRestrictedRole(deps.db);
  await assertRedis(config);
  const metrics = await serveMetrics(deps);
  const consumer = consumeJobs(deps);
  const stepTests = answerStepTests(deps);
  const attempts = takeAttempts(deps);
  const bells = hearBells(deps);
  const sweeper = sweep(deps);
  const wakeRun = (wake: RunWake) => deps.queue.wakeRun(wake);
  const scheduler = openScheduler({ ...schedulesIn(deps.db), wakeRun, log });
  endOnSignal(log, {
    withinMs: END_MS,
    end: async () => {
      draining.abort();
      setTimeout(() => stopping.abort(), DRAIN_MS).unref();
      await Promise.all([
        ...[sweeper.stop(), scheduler.stop(), stepTests.close(), consumer.close(CLOSE_MS), attempts.close(CLOSE_MS)],
        ...bells.map((bell) => bell.close()),
      ]);
      await metrics?.close();
      await closeDeps(deps);
    },
  });
  await untilReady(consumer);
  scheduler.start();
  programStarted(log, { pid: process.pid, detail: { queue: config.WORKFLOW_QUEUE_NAME, metricsPort: metrics?.port } });
}

/** A Redis that drops or forgets wake-ups makes runs late: production does not start with one, development says so. */
async function assertRedis(config: WorkerConfig): Promise<void> {
  const isProduction = config.NODE_ENV === 'production';
  const warnings = await checkRedis(config.REDIS_URL).catch((error: unknown) => {
    if (isProduction || !(error instanceof Error)) throw error;
    return [error.message];
  });
  if (isProduction && warnings.length > 0) throw new Error(warnings.join(' '));
  for (const warning of warnings) programWarning(log, { warning });
}

function sweep(deps: Deps) {
  return startSweeper({
    intervalMs: deps.config.SWEEP_INTERVAL_MS,
    makeRuns: (limit) => makeStuckHookRuns(deps.db, limit, announceMade(deps)),
    settle: (limit) => settleStuckChildEvents(deps.db, limit, (run) => tellSettled(deps, run)),
    isQueueReady: () => deps.queue.isReady(),
    findStuckRuns: (limit) => findStuckRuns(deps.db, limit),
    putBack: (runs) => putBackStuckRuns(deps.db, runs),
    wakeRun: (wake) => deps.queue.wakeRun(wake),
    onSwept: (count) => runsSwept(log, { count }),
    onError: (error) => dependencyFailed(log, { dependency: 'sweeper', error: error.message }),
  });
}

async function serveMetrics({ config, db, queue, leases }: Deps): Promise<MetricsServer | undefined> {
  if (config.WORKER_METRICS_PORT === undefined) return undefined;
  return startMetricsServer(
    { host: config.METRICS_HOST, port: config.WORKER_METRICS_PORT },
    { countJobs: () => queue.countJobs(), pool: db.pool, countHeldRuns: () => leases.count() },
  );
}

async function untilReady(consumer: RunConsumer): Promise<void> {
  while (!consumer.isReady()) await delay(20);
}
