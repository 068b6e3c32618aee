import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseConfig, WebConfig } from '@millrace/shared/config';
import { dependencyFailed, programFailed, programStarted, programStopping } from '@millrace/shared/events';
import { createLog } from '@millrace/shared/log';
import { messageOf } from '@millrace/shared/message-of';
import { createForward } from './server/forward.ts';
import { openPages } from './server/pages.ts';

/** The web app's one process: pages from the production build, and `/v1/*` forwarded to the API. */
const log = createLog('web', process.env.API_LOG_LEVEL);
const DRAIN_MS = 5_000;
const TAKE_OVER_ATTEMPTS = 50;
const TAKE_OVER_PAUSE_MS = 20;

try {
  await start();
} catch (error) {
  programFailed(log, { error: messageOf(error) });
  process.exit(1);
}

async function start(): Promise<void> {
  const config = parseConfig(WebConfig, process.env);
  const pages = await openPages(join(import.meta.dirname, '..'), config.WEB_BASE_URL);
  const forward = createForward(config.API_URL, (error) => dependencyFailed(log, { dependency: 'api', error }));
  const server = createServer((request, response) => {
    if (/^\/v1(\/|\?|$)/.test(request.url ?? '')) forward(request, response);
    else pages(request, response);
  });
  const port = await listen(server, config);
  programStarted(log, { pid: process.pid, detail: { host: config.WEB_HOST, port } });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      programStopping(log, { signal });
      server.close(() => process.exit(0));
      server.closeIdleConnections();
      // Timelines that somebody watches stay open for as long as their runs: those readers come back by themselves.
      setTimeout(() => process.exit(0), DRAIN_MS).unref();
    });
}

/** Whoever started this program may hold the port for it: then it knocks, and takes the port over. */
async function listen(server: Server, { WEB_HOST, WEB_PORT }: WebConfig): Promise<number | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      server.listen({ host: WEB_HOST, port: WEB_PORT });
      await once(server, 'listening');
      const address = server.address();
      return typeof address === 'object' ? address?.port : undefined;
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken || attempt === TAKE_OVER_ATTEMPTS) throw error;
      const knock = connect(WEB_PORT, WEB_HOST, () => knock.destroy());
      knock.on('error', () => {});
      await delay(TAKE_OVER_PAUSE_MS);
    }
  }
}
