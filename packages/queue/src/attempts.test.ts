import { Queue } from 'bullmq';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  ATTEMPT_EXECUTE,
  type AttemptConsumer,
  type AttemptOffer,
  attemptQueueName,
  consumeAttempts,
} from './attempts.ts';
import { openQueue, type RunQueue } from './queue.ts';
import { eventually, startTestRedis, type TestRedis } from './testing.ts';

const queueName = 'workflow-runs';
const orgId = '0198c0de-0000-7000-8000-000000000001';
const offerOf = (attempt: number): AttemptOffer => ({
  orgId,
  runId: orgId,
  stepKey: 'each.0.call',
  attempt,
  leaseToken: 1,
});

let redis: TestRedis;
let queue: RunQueue;
let consumer: AttemptConsumer;
let handled: AttemptOffer[];
let errors: string[];

beforeEach(async () => {
  redis = await startTestRedis(['--hz', '100']);
  queue = openQueue({ redisUrl: redis.url, queueName });
  await eventually('the queue is ready', () => queue.isReady());
  handled = [];
  errors = [];
  consumer = consumeAttempts({
    ...{ redisUrl: redis.url, queueName, concurrency: 5 },
    handle: async (offer) => {
      handled.push(offer);
      if (offer.attempt === 3) throw new Error('it broke');
    },
    onError: ({ message }) => errors.push(message),
  });
});
afterEach(async () => {
  await consumer.close(500);
  await queue.close();
  await redis.stop();
});

it('hands every offer over once, also one that fails, and beside the queue of runs', async () => {
  const offers = Array.from({ length: 20 }, (_, index) => offerOf(index));
  await queue.offerAttempts(offers);
  await eventually('all are handled', () => handled.length === 20);
  expect(handled.toSorted((a, b) => a.attempt - b.attempt)).toEqual(offers);
  await eventually('the failure is told', () => errors.length === 1);
  expect(errors).toEqual(['it broke']);
  expect(await queue.countJobs()).toEqual({ waiting: 0, active: 0, delayed: 0 });
});

it('drops what is no offer and says so without a word of it', async () => {
  const forger = new Queue(attemptQueueName(queueName), { connection: { url: redis.url } });
  await forger.add(ATTEMPT_EXECUTE, { ...offerOf(1), secret: 'canary' });
  await forger.add('another', offerOf(1));
  await eventually('both are told', () => errors.length === 2);
  await forger.close();
  expect(handled).toEqual([]);
  expect(errors.join()).not.toContain('canary');
});

it('says that there is no Redis when there is none', async () => {
  await redis.kill();
  await expect(queue.offerAttempts([offerOf(1)])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
});
