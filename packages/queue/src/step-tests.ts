/**
 * Tests of single steps: a question that a worker answers, over a queue of its own so that it never waits behind runs.
 * Nothing is durable here on purpose: whoever asked is waiting, and asks again when no answer comes.
 */
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { CONSUMER_OPTIONS, connectConsumer, endsWithin } from './consumer.ts';
import { openLink } from './link.ts';
import { reconnectWhenReadOnly } from './redis.ts';

const STEP_TEST = 'step.test';
/** The longest step plus the way there and back. */
const ANSWER_TIMEOUT_MS = 60_000;
const CONCURRENCY = 4;
const CLOSE_TIMEOUT_MS = 500;
/** Answers pass through the queue's event stream; keeping few of them keeps tenants' samples out of Redis's memory. */
const EVENTS_KEPT = 50;

const Json = z.unknown();
/** A document of one step, and what its expressions see. */
export const StepTest = z.strictObject({
  orgId: z.uuid(),
  workflowId: z.uuid(),
  definition: z.record(z.string(), Json),
  stepId: z.string(),
  input: Json,
  outputs: z.record(z.string(), Json),
  /** Names that the loops around the step add; absent outside of loops. */
  locals: z.record(z.string(), Json).optional(),
});
export type StepTest = z.infer<typeof StepTest>;

export const StepTestAnswer = z.strictObject({
  input: Json,
  output: Json,
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  durationMs: z.int(),
});
export type StepTestAnswer = z.infer<typeof StepTestAnswer>;

export interface StepTester {
  /** Throws `QUEUE_UNAVAILABLE`: within 500 ms when Redis is away, after a minute when no worker answers. */
  ask(test: StepTest): Promise<StepTestAnswer>;
  /** Ends the connections within about half a second, also while Redis is away or hangs. */
  close(): Promise<void>;
}

/** Opens the asking side and returns at once: Redis may come up later. */
export function openStepTester(settings: { redisUrl: string; queueName: string }): StepTester {
  const name = nameOf(settings.queueName);
  const link = openLink(settings.redisUrl);
  let isClosing = false;
  const listener = new Redis(settings.redisUrl, {
    ...CONSUMER_OPTIONS,
    // Nothing tries again once closing; see close.
    retryStrategy: (times) => (isClosing ? null : CONSUMER_OPTIONS.retryStrategy(times)),
    reconnectOnError: reconnectWhenReadOnly(),
  });
  listener.on('error', link.remember);
  const queue = new Queue(name, {
    connection: link.redis,
    skipVersionCheck: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
  });
  // From the oldest event kept, not from "now": a worker may answer before the first read is under way.
  const events = new QueueEvents(name, { connection: listener, skipVersionCheck: true, lastEventId: '0-0' });
  queue.on('error', link.remember);
  events.on('error', link.remember);
  const questions = listenForAnswers(events);
  return {
    async ask(test) {
      const jobId = newId();
      // Listens before it asks: a worker may be done, and the job forgotten, before the question is confirmed.
      const answer = questions.await(jobId);
      try {
        await link.run(() => queue.add(STEP_TEST, test, { jobId, removeOnComplete: true, removeOnFail: true }));
      } catch (error) {
        questions.forget(jobId);
        throw error;
      }
      try {
        return StepTestAnswer.parse(await answer);
      } catch (cause) {
        throw new AppError('QUEUE_UNAVAILABLE', 'No worker tested the step; try again shortly.', {
          cause,
          retryAfterSec: 1,
        });
      }
    },
    async close() {
      isClosing = true;
      questions.giveUp();
      link.redis.disconnect();
      // BullMQ waits for the connection's 'end', which ioredis does not emit when told to stop while it reconnects.
      await endsWithin(Promise.allSettled([events.close(), queue.close()]), CLOSE_TIMEOUT_MS);
      listener.disconnect();
    },
  };
}

interface Questions {
  /** The answer to the job of this id; rejects when a worker failed at it or none answered in time. */
  await(jobId: string): Promise<unknown>;
  forget(jobId: string): void;
  /** Rejects whatever is still awaited. */
  giveUp(): void;
}

/** One listener for all questions: BullMQ's own way asks first and polls afterwards, when the job may be gone. */
function listenForAnswers(events: QueueEvents): Questions {
  const open = new Map<string, { resolve(value: unknown): void; reject(error: Error): void; timer: NodeJS.Timeout }>();
  const settle = (jobId: string, outcome: { value: unknown } | { error: string }) => {
    const question = open.get(jobId);
    if (!question) return;
    clearTimeout(question.timer);
    open.delete(jobId);
    if ('error' in outcome) question.reject(new Error(outcome.error));
    else question.resolve(outcome.value);
  };
  events.on('completed', ({ jobId, returnvalue }) => settle(jobId, { value: returnvalue }));
  events.on('failed', ({ jobId, failedReason }) => settle(jobId, { error: failedReason }));
  return {
    await(jobId) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const timer = setTimeout(() => settle(jobId, { error: 'no worker answered in time' }), ANSWER_TIMEOUT_MS);
      open.set(jobId, { resolve, reject, timer });
      promise.catch(() => {}); // whoever asked may have failed before waiting for it
      return promise;
    },
    forget: (jobId) => settle(jobId, { error: 'it was not asked' }),
    giveUp() {
      for (const jobId of [...open.keys()]) settle(jobId, { error: 'the asking side was closed' });
    },
  };
}

export interface StepTestConsumer {
  /** Lets go of tests under way: whoever asked hears that nobody answered. */
  close(): Promise<void>;
}

/** Answers tests with `handle`. A test that cannot be parsed or answered is told to `onError`. */
export function consumeStepTests(settings: {
  redisUrl: string;
  queueName: string;
  handle(test: StepTest): Promise<StepTestAnswer>;
  onError(error: Error): void;
}): StepTestConsumer {
  const redis = connectConsumer(settings.redisUrl);
  const ignore = () => {}; // the consumer of runs reports trouble with the same Redis
  redis.on('error', ignore);
  const worker = new Worker(
    nameOf(settings.queueName),
    async (job) => {
      try {
        return await settings.handle(StepTest.parse(job.data));
      } catch (error) {
        settings.onError(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    },
    { connection: redis, concurrency: CONCURRENCY, removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } },
  );
  worker.on('error', ignore);
  return {
    async close() {
      await endsWithin(worker.close(true), CLOSE_TIMEOUT_MS); // waits for the same 'end'
      redis.disconnect();
    },
  };
}

function nameOf(queueName: string): string {
  return `${queueName}-step-tests`;
}
