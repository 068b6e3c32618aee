/**
 * The producer: rings the bell for a run, or says within half a second that it could not.
 *
 * Why a job has no id of ours: BullMQ treats a stored id (waiting, delayed, active) as "already there" and drops the new
 * job without a word. A run that sleeps on a delayed retry must still be wakeable now, and a wake-up sent while the run is
 * active may be the one that carries its cancel. So every call adds a job, and the claim in PostgreSQL drops the extra ones.
 */
import { AppError } from '@millrace/shared/errors';
import { Queue } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { RUN_EXECUTE, type RunWake } from './jobs.ts';
import { reconnectWhenReadOnly } from './redis.ts';

/** A command unanswered for this long is given up. Measured: above it lie only broken connections, not slow ones. */
const COMMAND_TIMEOUT_MS = 300;
/** Bound of one whole call: BullMQ may need two commands (EVALSHA, then EVAL after Redis lost its scripts). */
const CALL_TIMEOUT_MS = 400;

/**
 * No offline queue and no resend: a command that could not be sent now must never be sent later, or runs that were
 * answered 503 come back as ghosts. The reconnect delay stays under a second so that recovery does too.
 */
const PRODUCER_OPTIONS = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: 300,
  socketTimeout: 1000,
  maxLoadingRetryTime: 300,
  keepAlive: 5000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 500),
} satisfies RedisOptions;

/**
 * `attempts` only re-deliver a wake-up whose handler threw; how often a step is tried is decided by the engine.
 * Nothing finished is kept: history lives in PostgreSQL.
 */
const JOB_OPTIONS = {
  removeOnComplete: true,
  removeOnFail: true,
  attempts: 30,
  backoff: { type: 'fixed', delay: 500 },
} as const;

export interface RunQueue {
  /**
   * Asks some worker to look at the run, at once or after `delayMs` milliseconds. Resolves when Redis has stored the job.
   * Throws `QUEUE_UNAVAILABLE` in under 500 ms whatever is wrong with Redis. After a timeout the job may exist all the
   * same: the caller decides by its row, and a worker treats a wake-up without a run as done.
   */
  wakeRun(wake: RunWake, options?: { delayMs?: number }): Promise<void>;
  /** Whether Redis takes writes right now: it makes a small one, so a full or read-only server is not ready. Under 500 ms. */
  isReady(): Promise<boolean>;
  /** Ends the connection; calls in flight fail. Never hangs, also while Redis does. */
  close(): Promise<void>;
}

/** Opens the producer and returns at once: Redis may come up later. */
export function openQueue(settings: { redisUrl: string; queueName: string }): RunQueue {
  const link = openLink(settings.redisUrl);
  // skipVersionCheck drops the INFO command of BullMQ's set-up: if that one failed, the queue would stay broken for life.
  // Do not add skipWaitingForReady: without an offline queue it has the same effect.
  const queue = new Queue(settings.queueName, { connection: link.redis, skipVersionCheck: true });
  queue.on('error', link.remember);
  return {
    async wakeRun(wake, options = {}) {
      const delay = options.delayMs ?? 0;
      await link.run(() => queue.add(RUN_EXECUTE, wake, { ...JOB_OPTIONS, delay }));
    },
    async isReady() {
      return link
        .run(() => link.redis.set(queue.toKey('probe'), 1, 'PX', 1000))
        .then(
          () => true,
          () => false,
        );
    },
    async close() {
      link.redis.disconnect();
      await queue.close();
    },
  };
}

interface Link {
  redis: Redis;
  remember: (error: Error) => void;
  run(command: () => Promise<unknown>): Promise<void>;
}

/**
 * The connection with its gate. The gate is needed because BullMQ waits for "ready" before any timeout starts. Once a
 * command went unanswered the gate closes until a ping comes back or the connection is replaced: later calls fail at
 * once, and a hung Redis collects no more ghost jobs than were in flight when it stopped answering.
 */
function openLink(redisUrl: string): Link {
  const redis = new Redis(redisUrl, { ...PRODUCER_OPTIONS, reconnectOnError: reconnectWhenReadOnly() });
  let lastError: unknown;
  let isSuspect = false;
  const remember = (error: unknown) => {
    lastError = error;
  };
  redis.on('error', remember);
  redis.on('ready', () => {
    isSuspect = false;
  });

  async function probe(): Promise<void> {
    if (isSuspect || redis.status !== 'ready') return;
    isSuspect = true;
    try {
      await redis.ping();
      isSuspect = false;
    } catch (error) {
      remember(error);
      if (redis.status === 'ready') redis.disconnect(true);
    }
  }

  async function run(command: () => Promise<unknown>): Promise<void> {
    if (redis.status !== 'ready' || isSuspect) throw unavailable(lastError);
    try {
      await withDeadline(command());
    } catch (error) {
      remember(error);
      if (isTimeout(error)) void probe();
      throw unavailable(error);
    }
  }
  return { redis, remember, run };
}

function unavailable(cause: unknown): AppError {
  return new AppError('QUEUE_UNAVAILABLE', undefined, { cause });
}

async function withDeadline(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('Command timed out')), CALL_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** The same words as ioredis uses when `commandTimeout` passes; it has no code for it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}
