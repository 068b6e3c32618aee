/**
 * The consumer: hands wake-ups to one function. Delivery is at least once and now and then twice; a wake-up may also stand
 * for a run that no longer needs it. Only rows in PostgreSQL decide what really happens.
 */
import { DelayedError, type Job, WaitingError, Worker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { gatherWrites } from './gather-writes.ts';
import { parseJob, type RunWake } from './jobs.ts';
import { reconnectWhenReadOnly } from './redis.ts';

/**
 * A blocking read lasts at most 10 s (BullMQ's own ceiling), so a socket silent for longer has lost its other end.
 * No command timeout: a command of the worker waits for Redis to come back instead of failing.
 */
export const CONSUMER_OPTIONS = {
  maxRetriesPerRequest: null,
  connectTimeout: 1000,
  socketTimeout: 12_000,
  maxLoadingRetryTime: 500,
  keepAlive: 5000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
} satisfies RedisOptions;

/**
 * A killed worker's jobs move on after one lock plus at most two checks. The stall count is out of the way on purpose:
 * above it BullMQ would fail a job with nobody told, and only PostgreSQL may decide that a run ended.
 */
const STALL_OPTIONS = { lockDuration: 8000, stalledInterval: 4000, maxStalledCount: 1000 } as const;

/** What became of a wake-up: `done` forgets it; `later` delivers it again, as often as needed (the run is busy elsewhere). */
export type WakeOutcome = { status: 'done' } | { status: 'later'; delayMs: number };

/** `payload`: not a job of ours, dropped. `handler`: the handler threw, the wake-up comes again. `redis`: the connection. */
export type ConsumerProblem =
  | { type: 'payload'; jobId: string | undefined; name: string; reason: string }
  | { type: 'handler'; wake: RunWake; error: unknown }
  | { type: 'redis'; error: Error };

export interface ConsumerSettings {
  redisUrl: string;
  queueName: string;
  /** How many wake-ups are handled at the same time. */
  concurrency: number;
  handle(wake: RunWake): Promise<WakeOutcome>;
  /** Told about everything that went wrong; must not throw. The same trouble with Redis is told once a second. */
  onProblem(problem: ConsumerProblem): void;
}

export interface RunConsumer {
  /** Whether the connection to Redis stands. A hung Redis shows only once its socket times out. */
  isReady(): boolean;
  /**
   * Takes no more wake-ups, waits up to `deadlineMs` milliseconds for handlers to end, then lets go of the rest: other
   * workers get those after their lock expires. Answers how many handlers were still running. Never hangs.
   */
  close(deadlineMs: number): Promise<{ unfinishedCount: number }>;
}

/** A connection for a consumer, with all that the options above promise. */
export function connectConsumer(redisUrl: string): Redis {
  const redis = new Redis(redisUrl, { ...CONSUMER_OPTIONS, reconnectOnError: reconnectWhenReadOnly() });
  gatherWrites(redis);
  return redis;
}

/** Starts to consume and returns at once: Redis may come up later, go away and come back. */
export function consumeRuns(settings: ConsumerSettings): RunConsumer {
  const redis = connectConsumer(settings.redisUrl);
  const load: Load = { activeCount: 0, isClosing: false };
  const worker = new Worker(settings.queueName, (job, token) => deliver(settings, load, job, token), {
    connection: redis,
    concurrency: settings.concurrency,
    ...STALL_OPTIONS,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on(
    'error',
    oncePerSecond((error) => settings.onProblem({ type: 'redis', error })),
  );
  return {
    isReady: () => redis.status === 'ready',
    async close(deadlineMs) {
      load.isClosing = true;
      const isClosed = await endsWithin(worker.close(), deadlineMs);
      const unfinishedCount = load.activeCount;
      if (!isClosed) await endsWithin(worker.getBackend().close(true), 500);
      redis.disconnect();
      return { unfinishedCount };
    },
  };
}

interface Load {
  activeCount: number;
  isClosing: boolean;
}

async function deliver(settings: ConsumerSettings, load: Load, job: Job, token: string | undefined): Promise<void> {
  if (load.isClosing) {
    // Fetched by a read that was already under way when the close began.
    await job.moveToWait(token);
    throw new WaitingError();
  }
  const parsed = parseJob(job.name, job.data);
  if (parsed.type === 'bad') {
    settings.onProblem({ type: 'payload', jobId: job.id, name: job.name, reason: parsed.reason });
    return;
  }
  const outcome = await handleCounted(settings, load, parsed.payload);
  if (outcome.status === 'done') return;
  await job.moveToDelayed(Date.now() + outcome.delayMs, token);
  throw new DelayedError();
}

async function handleCounted(settings: ConsumerSettings, load: Load, wake: RunWake): Promise<WakeOutcome> {
  load.activeCount += 1;
  try {
    return await settings.handle(wake);
  } catch (error) {
    settings.onProblem({ type: 'handler', wake, error });
    throw error;
  } finally {
    load.activeCount -= 1;
  }
}

/** A refusing or full Redis fails thousands of times a second with the same words; the log needs them once. */
function oncePerSecond(report: (error: Error) => void): (error: Error) => void {
  const lastToldAt = new Map<string, number>();
  return (error) => {
    const now = performance.now();
    const toldAt = lastToldAt.get(error.message);
    if (toldAt !== undefined && now - toldAt < 1000) return;
    if (lastToldAt.size > 100) lastToldAt.clear();
    lastToldAt.set(error.message, now);
    report(error);
  };
}

/** Waits for `work` to end, well or not, but no longer than the deadline. False: it has not ended yet. */
export async function endsWithin(work: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), deadlineMs);
  });
  const ended = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
