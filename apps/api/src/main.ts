import { setTimeout as pause } from 'node:timers/promises';
import { parseEgressRules } from '@millrace/connectors/egress';
import { countQueuedRuns } from '@millrace/db/admission';
import { settleStuckChildEvents } from '@millrace/db/child-runs';
import { assertRestrictedRole } from '@millrace/db/connect';
import { makeStuckHookRuns } from '@millrace/db/hooks';
import { findStuckRuns, putBackStuckRuns } from '@millrace/db/runs';
import { announceMade, startSweeper } from '@millrace/queue/sweeper';
import { ApiConfig, parseConfig } from '@millrace/shared/config';
import { dependencyFailed, programStarted, runsSwept } from '@millrace/shared/events';
import { armFailPoint } from '@millrace/shared/fail-points';
import { createLog } from '@millrace/shared/log';
import { type MetricsServer, startMetricsServer } from '@millrace/shared/metrics-server';
import { endOnSignal, failWith } from '@millrace/shared/program-end';
import { readSigningKeys } from '@millrace/shared/tokens';
import { buildApp } from './app.ts';
import { CLEAN_UP_MS, cleanUp } from './clean-up.ts';
import { closeDeps, type Deps, openDeps } from './deps.ts';
import { tellSettled } from './features/runs/family.ts';

const PROGRAM = 'api';
/** After SIGTERM: a database or a client that does not answer may not keep the program from ending. */
const END_MS = 19_000;
const QUEUE_WAIT_MS = 1_000;

const log = createLog(PROGRAM, process.env.API_LOG_LEVEL);

try {
  await start();
} catch (error) {
  process.exit(failWith(log, error));
}

async function start(): Promise<void> {
  const config = parseConfig(ApiConfig, process.env, {
    AUTH_SIGNING_KEYS: readSigningKeys,
    EGRESS_ALLOW_CIDRS: parseEgressRules,
  });
  armFailPoint(config.FAIL_POINT);
  const deps = await openDeps(config, log);
  await assertRestrictedRole(deps.db);
  const app = await buildApp(deps);
  const sweeper = startSweeper({
    intervalMs: config.SWEEP_INTERVAL_MS,
    makeRuns: (limit) => makeStuckHookRuns(deps.db, limit, announceMade(deps)),
    settle: (limit) => settleStuckChildEvents(deps.db, limit, (run) => tellSettled(deps, run)),
    isQueueReady: () => deps.queue.isReady(),
    findStuckRuns: (limit) => findStuckRuns(deps.db, limit),
    putBack: (runs) => putBackStuckRuns(deps.db, runs),
    wakeRun: (wake) => deps.queue.wakeRun(wake),
    cleanUp: { everyMs: CLEAN_UP_MS, run: () => cleanUp(deps.db) },
    onSwept: (count) => runsSwept(log, { count }),
    onError: (error) => dependencyFailed(log, { dependency: 'sweeper', error: error.message }),
  });
  deps.mailSender.start();
  deps.noticeSender.start();
  deps.runPurger.start();
  deps.scheduler.start();
  const metrics = await serveMetrics(config, deps);
  await untilQueueIsReady(deps);
  await app.listen({ host: config.API_HOST, port: config.API_PORT });
  const address = app.server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  programStarted(log, { pid: process.pid, detail: { host: config.API_HOST, port, metricsPort: metrics?.port } });

  endOnSignal(log, {
    withinMs: END_MS,
    end: async () => {
      // Answers the requests under way, then ends their connections.
      await Promise.all([app.close(), sweeper.stop()]);
      await metrics?.close();
      await closeDeps(deps);
    },
  });
}

/** Whoever asks for a run right after the start is not refused for want of a connection. Without Redis it starts all the same. */
async function untilQueueIsReady({ queue }: Deps): Promise<void> {
  const deadline = performance.now() + QUEUE_WAIT_MS;
  while (performance.now() < deadline && !(await queue.isReady())) await pause(10);
}

async function serveMetrics(config: ApiConfig, { db, queue }: Deps): Promise<MetricsServer | undefined> {
  if (config.API_METRICS_PORT === undefined) return undefined;
  const address = { host: config.METRICS_HOST, port: config.API_METRICS_PORT };
  return startMetricsServer(address, {
    countJobs: () => queue.countJobs(),
    countQueuedRuns: async () => ({ ...(await countQueuedRuns(db)) }),
    pool: db.pool,
  });
}
