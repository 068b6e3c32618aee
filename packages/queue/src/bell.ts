/**
 * The bell of a run's owner: says at once that a run has signals, which stand in PostgreSQL. Nothing depends on it: an
 * owner that missed it, or has no Redis, hears of them with its next heartbeat.
 */
import { Redis } from 'ioredis';
import { CONSUMER_OPTIONS, endsWithin } from './consumer.ts';

const CLOSE_TIMEOUT_MS = 500;

export interface Bell {
  /** Ends the connection, also while Redis is away or hangs. */
  close(): Promise<void>;
}

export function bellChannel(queueName: string): string {
  return `${queueName}:signals`;
}

/** Calls `onRing` for each run that is rung for, whoever owns it. Returns at once: Redis may come up later. */
export function listenForBell(settings: {
  redisUrl: string;
  queueName: string;
  onRing: (runId: string) => void;
}): Bell {
  // Silence is normal here, so no socket timeout: a connection that died unnoticed costs half a second, see above.
  const { socketTimeout: _, ...options } = CONSUMER_OPTIONS;
  const redis = new Redis(settings.redisUrl, options);
  redis.on('error', () => {});
  redis.on('message', (_channel, runId: string) => settings.onRing(runId));
  // Subscribed again by the client after every reconnect.
  redis.subscribe(bellChannel(settings.queueName)).catch(() => {});
  return {
    async close() {
      await endsWithin(redis.quit(), CLOSE_TIMEOUT_MS);
      redis.disconnect();
    },
  };
}
