/** What a Redis server must be set to before it may carry wake-ups. */
import { AppError } from '@millrace/shared/errors';
import { Redis } from 'ioredis';

const ANSWER_TIMEOUT_MS = 2000;

/**
 * Asks the server how it is set and returns one sentence per problem, none when all is well. The caller decides whether
 * a problem stops the program (production) or is only logged.
 * Reads INFO alone, because hosted servers often forbid CONFIG. Throws `QUEUE_UNAVAILABLE`, naming host and port but never
 * the password, when nothing usable answers within 2 s.
 */
export async function checkRedis(redisUrl: string): Promise<string[]> {
  const info = parseInfo(await readInfo(redisUrl));
  const warnings: string[] = [];
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  if (policy !== 'noeviction') {
    warnings.push(`Redis has maxmemory-policy ${policy}: it may drop wake-ups when memory runs out. Set noeviction.`);
  }
  if (info.get('aof_enabled') !== '1') {
    warnings.push('Redis has its append-only file off: wake-ups are lost when it restarts. Set appendonly yes.');
  }
  return warnings;
}

/**
 * For ioredis' `reconnectOnError`. A demoted primary answers READONLY until somebody connects again, through the name that
 * now means another server. At most once a second: every command in flight brings the same answer.
 */
export function reconnectWhenReadOnly(): (error: Error) => boolean {
  let lastAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (!error.message.startsWith('READONLY') || now - lastAt < 1000) return false;
    lastAt = now;
    return true;
  };
}

async function readInfo(redisUrl: string): Promise<string> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: ANSWER_TIMEOUT_MS,
    commandTimeout: ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  });
  let lastError: Error | undefined;
  redis.on('error', (error) => {
    lastError ??= error;
  });
  try {
    await redis.connect();
    return await redis.info();
  } catch (error) {
    const cause = lastError ?? error;
    const reason = cause instanceof Error ? cause.message : 'no answer';
    throw new AppError('QUEUE_UNAVAILABLE', `Redis at ${address(redis)} cannot be used: ${reason}. Check REDIS_URL.`, {
      cause,
    });
  } finally {
    redis.disconnect();
  }
}

function address(redis: Redis): string {
  return `${redis.options.host}:${redis.options.port}`;
}

function parseInfo(text: string): Map<string, string> {
  const pairs = text.split(/\r?\n/).map((line) => line.split(':'));
  return new Map(pairs.map(([key = '', value = '']) => [key, value]));
}
