/**
 * Offers of single attempts to all workers, over a queue of their own so that no run waits behind them. An offer carries no state
 * and may be lost, late or doubled: rows in PostgreSQL decide who executes, and the owner of the run takes back what nobody took.
 */
import { Traceparent } from '@millrace/shared/tracing';
import { type Job, Worker } from 'bullmq';
import { z } from 'zod';
import { connectConsumer, endsWithin } from './consumer.ts';

export const ATTEMPT_EXECUTE = 'attempt.execute';

export const AttemptOffer = z.strictObject({
  orgId: z.uuid(),
  runId: z.uuid(),
  stepKey: z.string().min(1).max(1000),
  attempt: z.int().min(0),
  leaseToken: z.int().min(0),
  traceparent: Traceparent.optional(),
});
export type AttemptOffer = z.infer<typeof AttemptOffer>;

/** Delivered once: whoever offers sees that nobody took it. */
export const OFFER_OPTIONS = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;

const CLOSE_TIMEOUT_MS = 500;

export function attemptQueueName(queueName: string): string {
  return `${queueName}-attempts`;
}

export interface AttemptConsumer {
  /** Takes no more offers and waits up to `deadlineMs` for those under way. Never hangs. */
  close(deadlineMs: number): Promise<void>;
}

export interface AttemptConsumerSettings {
  redisUrl: string;
  queueName: string;
  /** How many are executed at the same time. */
  concurrency: number;
  handle(offer: AttemptOffer): Promise<void>;
  /** Told of an offer that cannot be read, without its values, and of what `handle` threw. */
  onError(error: Error): void;
}

/** Starts to take offers and returns at once: Redis may come up later. */
export function consumeAttempts(settings: AttemptConsumerSettings): AttemptConsumer {
  const redis = connectConsumer(settings.redisUrl);
  const ignore = () => {}; // the consumer of runs reports trouble with the same Redis
  redis.on('error', ignore);
  const worker = new Worker(attemptQueueName(settings.queueName), (job) => deliver(settings, job), {
    connection: redis,
    concurrency: settings.concurrency,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on('error', ignore);
  return {
    async close(deadlineMs) {
      const isClosed = await endsWithin(worker.close(), deadlineMs);
      if (!isClosed) await endsWithin(worker.getBackend().close(true), CLOSE_TIMEOUT_MS);
      redis.disconnect();
    },
  };
}

async function deliver({ handle, onError }: AttemptConsumerSettings, job: Job): Promise<void> {
  const offer = AttemptOffer.safeParse(job.data);
  if (job.name !== ATTEMPT_EXECUTE || !offer.success) return onError(new Error('an offer of an attempt is not valid'));
  try {
    await handle(offer.data);
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)));
  }
}
