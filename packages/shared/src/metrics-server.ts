/** Answers `GET /metrics` on an address of its own, which is meant for the operator's Prometheus and nobody else. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { collectDefaultMetrics, type Gauge } from 'prom-client';
import { poolConnections, queueJobs, registry, runsHeld, runsQueued } from './metrics.ts';

/** What is asked at the moment of a scrape. */
interface MetricSources {
  /** Jobs by state; rejects while Redis is away. */
  countJobs(): Promise<Record<string, number>>;
  /** Queued runs by state; absent in a program that does not tell. */
  countQueuedRuns?: () => Promise<Record<string, number>>;
  pool: { totalCount: number; idleCount: number; waitingCount: number };
  /** Runs that this process owns; absent in a program that owns none. */
  countHeldRuns?: () => number;
}

export interface MetricsServer {
  /** The one it listens on, also when 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

/** Several scrapers, or one in a hurry, cost Redis and PostgreSQL no more than this. */
const QUEUE_CACHE_MS = 5_000;

/** Begins to measure the process itself and to listen. Throws when the port is taken. */
export async function startMetricsServer(
  address: { host: string; port: number },
  sources: MetricSources,
): Promise<MetricsServer> {
  collectDefaultMetrics({ register: registry });
  const refreshJobs = createReader(queueJobs, sources.countJobs);
  const refreshRuns = createReader(runsQueued, sources.countQueuedRuns ?? (async () => ({})));
  const server = createServer((request, response) => {
    if (request.url !== '/metrics' || request.method !== 'GET') return void response.writeHead(404).end();
    void answer(response, sources, [refreshJobs, refreshRuns]);
  });
  await listen(server, address);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  response: ServerResponse,
  { pool, countHeldRuns }: MetricSources,
  refreshers: readonly (() => Promise<void>)[],
): Promise<void> {
  await Promise.all(refreshers.map((refresh) => refresh()));
  poolConnections.set({ state: 'total' }, pool.totalCount);
  poolConnections.set({ state: 'idle' }, pool.idleCount);
  poolConnections.set({ state: 'waiting' }, pool.waitingCount);
  if (countHeldRuns) runsHeld.set(countHeldRuns());
  const text = await registry.metrics();
  response.writeHead(200, { 'content-type': registry.contentType }).end(text);
}

/** A scrape must not wait for a database that says nothing: then it is wanted most. */
const COUNT_TIMEOUT_MS = 500;

/** Sets a gauge by state at most once in a while; a depth that cannot be read is told by no number at all. */
function createReader(gauge: Gauge<'state'>, count: () => Promise<Record<string, number>>): () => Promise<void> {
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> = Promise.resolve();
  return () => {
    if (performance.now() - readAt < QUEUE_CACHE_MS) return reading;
    readAt = performance.now();
    const tooLate = delay(COUNT_TIMEOUT_MS, null, { ref: false }).then(() =>
      Promise.reject(new Error('no answer in time')),
    );
    reading = Promise.race([count(), tooLate]).then(
      (counts) => {
        for (const [state, number] of Object.entries(counts)) gauge.set({ state }, number);
      },
      () => gauge.reset(),
    );
    return reading;
  };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
