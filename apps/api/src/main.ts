import { settleStuckChildEvents } from '@millrace/db/child-runs';
import { assertRestrictedRole } from '@millrace/db/connect';
import { makeStuckHookRuns } from '@millrace/db/hooks';
import { findStuckRuns } from '@millrace/db/runs';
import { startSweeper } from '@millrace/queue/sweeper';
import { ApiConfig, parseConfig } from '@millrace/shared/config';
import {
  dependencyFailed,
  programFailed,
  programStarted,
  programStopping,
  runsSwept,
  workflowRunEnqueued,
} from '@millrace/shared/events';
import { createLog } from '@millrace/shared/log';
import { type MetricsServer, startMetricsServer } from '@millrace/shared/metrics-server';
import { buildApp } from './app.ts';
import { CLEAN_UP_MS, cleanUp } from './clean-up.ts';
import { closeDeps, type Deps, openDeps } from './deps.ts';
import { tellSettled } from './features/runs/family.ts';

const PROGRAM = 'api';
const log = createLog(PROGRAM, process.env.API_LOG_LEVEL ?? 'info');

try {
  await start();
} catch (error) {
  programFailed(log, { error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

async function start(): Promise<void> {
  const config = parseConfig(ApiConfig, process.env);
  const deps = await openDeps(config, log);
  await assertRestrictedRole(deps.db);
  const app = await buildApp(deps);
  const sweeper = startSweeper({
    intervalMs: config.SWEEP_INTERVAL_MS,
    makeRuns: (limit) =>
      makeStuckHookRuns(deps.db, limit, async (run) => {
        workflowRunEnqueued(log, { requestId: null, userId: null, ...run });
        await deps.queue.wakeRun({ orgId: run.orgId, runId: run.runId });
      }),
    settle: (limit) => settleStuckChildEvents(deps.db, limit, (run) => tellSettled(deps, run)),
    isQueueReady: () => deps.queue.isReady(),
    findStuckRuns: (limit) => findStuckRuns(deps.db, limit),
    wakeRun: (wake) => deps.queue.wakeRun(wake),
    cleanUp: { everyMs: CLEAN_UP_MS, run: () => cleanUp(deps.db) },
    onSwept: (count) => runsSwept(log, { count }),
    onError: (error) => dependencyFailed(log, { dependency: 'sweeper', error: error.message }),
  });
  deps.mailSender.start();
  deps.noticeSender.start();
  deps.scheduler.start();
  const metrics = await serveMetrics(config, deps);
  await app.listen({ host: config.API_HOST, port: config.API_PORT });
  const address = app.server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  programStarted(log, { pid: process.pid, detail: { host: config.API_HOST, port, metricsPort: metrics?.port } });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      programStopping(log, { signal });
      await sweeper.stop();
      await app.close(); // finishes the requests under way
      await metrics?.close();
      await closeDeps(deps);
      process.exit(0);
    });
  }
}

async function serveMetrics(config: ApiConfig, { db, queue }: Deps): Promise<MetricsServer | undefined> {
  if (config.API_METRICS_PORT === undefined) return undefined;
  const address = { host: config.METRICS_HOST, port: config.API_METRICS_PORT };
  return startMetricsServer(address, { countJobs: () => queue.countJobs(), pool: db.pool });
}
