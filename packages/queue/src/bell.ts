/**
 * The bells of a run, which say at once what stands in PostgreSQL: that there are signals or outcomes for its owner, an answer
 * for whoever waits for one, or nothing to do any more for who executes attempts of it. Nothing depends on them: who missed
 * one, or has no Redis, hears of it with the next heartbeat, and who waits for an answer looks every second.
 */
import { Redis } from 'ioredis';
import { CONSUMER_OPTIONS, endsWithin } from './consumer.ts';

const CLOSE_TIMEOUT_MS = 500;

export interface Bell {
  /** Ends the connection, also while Redis is away or hangs. */
  close(): Promise<void>;
}

export type BellName = 'signals' | 'answers' | 'outcomes' | 'executors';

export function bellChannel(queueName: string, name: BellName): string {
  return `${queueName}:${name}`;
}

/** Calls `onRing` for each run that this bell is rung for, whoever owns it. Returns at once: Redis may come up later. */
export function listenForBell(settings: {
  redisUrl: string;
  queueName: string;
  name: BellName;
  onRing: (runId: string) => void;
}): Bell {
  // Silence is normal here, so no socket timeout: a connection that died unnoticed costs half a second, see above.
  const { socketTimeout: _, ...options } = CONSUMER_OPTIONS;
  const redis = new Redis(settings.redisUrl, options);
  redis.on('error', () => {});
  redis.on('message', (_channel, runId: string) => settings.onRing(runId));
  // Subscribed again by the client after every reconnect.
  redis.subscribe(bellChannel(settings.queueName, settings.name)).catch(() => {});
  return {
    async close() {
      await endsWithin(redis.quit(), CLOSE_TIMEOUT_MS);
      redis.disconnect();
    },
  };
}
