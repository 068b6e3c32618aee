/** A connection for producers and counters that fails in under half a second whatever way Redis is broken. */
import { AppError } from '@millrace/shared/errors';
import { Redis, type RedisOptions } from 'ioredis';
import { reconnectWhenReadOnly } from './redis.ts';

interface Timeouts {
  /** A command unanswered for this long is given up. */
  commandMs: number;
  /** Bound of one whole call: it may need two commands (EVALSHA, then EVAL after Redis lost its scripts). */
  callMs: number;
}

/** Measured: above 300 ms lie only broken connections, not slow ones. */
const TIMEOUTS: Timeouts = { commandMs: 300, callMs: 400 };

/**
 * No offline queue and no resend: a command that could not be sent now must never be sent later, or runs that were
 * answered 503 come back as ghosts. The reconnect delay stays under a second so that recovery does too.
 */
const PRODUCER_OPTIONS = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: 300,
  socketTimeout: 1000,
  maxLoadingRetryTime: 300,
  keepAlive: 5000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 500),
} satisfies RedisOptions;

export interface Link {
  redis: Redis;
  remember: (error: Error) => void;
  /** Throws `QUEUE_UNAVAILABLE` when Redis did not carry the command out, or did not say so in time. */
  run<T>(command: () => Promise<T>): Promise<T>;
}

/**
 * The connection with its gate. The gate is needed because BullMQ waits for "ready" before any timeout starts. Once a
 * command went unanswered the gate closes until a ping comes back or the connection is replaced: later calls fail at
 * once, and a hung Redis collects no more ghost jobs than were in flight when it stopped answering.
 */
export function openLink(redisUrl: string, timeouts = TIMEOUTS): Link {
  const redis = new Redis(redisUrl, {
    ...PRODUCER_OPTIONS,
    commandTimeout: timeouts.commandMs,
    reconnectOnError: reconnectWhenReadOnly(),
  });
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

  async function run<T>(command: () => Promise<T>): Promise<T> {
    if (redis.status !== 'ready' || isSuspect) throw unavailable(lastError);
    try {
      return await withDeadline(command(), timeouts.callMs);
    } catch (error) {
      remember(error);
      if (isTimeout(error)) void probe();
      throw unavailable(error);
    }
  }
  return { redis, remember, run };
}

function unavailable(cause: unknown): AppError {
  return new AppError('QUEUE_UNAVAILABLE', undefined, { cause, retryAfterSec: 1 });
}

async function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('Command timed out')), timeoutMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** The same words as ioredis uses when `commandTimeout` passes; it has no code for it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}
