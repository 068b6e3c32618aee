/**
 * The producer: rings the bell for a run, or says within half a second that it could not.
 *
 * Why a job has no id of ours: BullMQ treats a stored id (waiting, delayed, active) as "already there" and drops the new
 * job without a word. A run that sleeps on a delayed retry must still be wakeable now, and a wake-up sent while the run is
 * active may be the one that carries its cancel. So every call adds a job, and the claim in PostgreSQL drops the extra ones.
 */
import { Queue } from 'bullmq';
import { ATTEMPT_EXECUTE, type AttemptOffer, attemptQueueName, OFFER_OPTIONS } from './attempts.ts';
import { type BellName, bellChannel } from './bell.ts';
import { RUN_EXECUTE, type RunWake } from './jobs.ts';
import { type Link, openLink } from './link.ts';

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
  /** Asks for each of these runs, the first one first, in one go. Throws as `wakeRun` does. */
  wakeRuns(wakes: readonly RunWake[]): Promise<void>;
  /** Offers attempts of a run to all workers. Throws as `wakeRun` does. */
  offerAttempts(offers: readonly AttemptOffer[]): Promise<void>;
  /** Tells the owner of the run that an attempt which it offered has ended. Throws as `wakeRun` does. */
  ringOutcome(runId: string): Promise<void>;
  /** Tells whoever executes attempts of the run that some of them may not be wanted any more. Throws as `wakeRun` does. */
  ringExecutors(runId: string): Promise<void>;
  /** Tells the owner of the run, whichever worker that is, that the run has signals. Throws as `wakeRun` does. */
  ringOwner(runId: string): Promise<void>;
  /** Tells whoever waits for the answer of the run, in whichever API process, that it may be there. Throws as `wakeRun` does. */
  ringAnswer(runId: string): Promise<void>;
  /** Whether Redis takes writes right now: it makes a small one, so a full or read-only server is not ready. Under 500 ms. */
  isReady(): Promise<boolean>;
  /** For whoever accepts what only a later call will put into the queue. Throws as `wakeRun` does unless Redis took a write just now. */
  assertReady(): Promise<void>;
  /** Wake-ups that stand in the queue, by state. Throws as `wakeRun` does. */
  countJobs(): Promise<Record<string, number>>;
  /** Workers that listen to the queue; 1 where Redis does not tell. Throws as `wakeRun` does. */
  countWorkers(): Promise<number>;
  /** Ends the connection; calls in flight fail. Never hangs, also while Redis does. */
  close(): Promise<void>;
}

/** Whoever asks within this time after Redis took a write hears the same, unless the connection is known to be broken. */
const PROBED_FOR_MS = 100;

function sharedFor(milliseconds: number, link: Link, probe: () => Promise<unknown>): () => Promise<void> {
  let probedAt = Number.NEGATIVE_INFINITY;
  let probing: Promise<void> | undefined;
  return async () => {
    if (performance.now() - probedAt < milliseconds) return link.run(async () => {});
    probing ??= probe()
      .then(() => {
        probedAt = performance.now();
      })
      .finally(() => {
        probing = undefined;
      });
    await probing;
  };
}

/** Opens the producer and returns at once: Redis may come up later. */
export function openQueue(settings: { redisUrl: string; queueName: string }): RunQueue {
  const link = openLink(settings.redisUrl);
  // skipVersionCheck drops the INFO command of BullMQ's set-up: if that one failed, the queue would stay broken for life.
  // Do not add skipWaitingForReady: without an offline queue it has the same effect.
  const queue = new Queue(settings.queueName, { connection: link.redis, skipVersionCheck: true });
  queue.on('error', link.remember);
  const attempts = new Queue(attemptQueueName(settings.queueName), { connection: link.redis, skipVersionCheck: true });
  attempts.on('error', link.remember);
  const probe = () => link.run(() => link.redis.set(queue.toKey('probe'), 1, 'PX', 1000));
  const ring = (bell: BellName, runId: string) =>
    link.run(async () => void (await link.redis.publish(bellChannel(settings.queueName, bell), runId)));
  return {
    async wakeRun(wake, options = {}) {
      const delay = options.delayMs ?? 0;
      await link.run(() => queue.add(RUN_EXECUTE, wake, { ...JOB_OPTIONS, delay }));
    },
    async wakeRuns(wakes) {
      if (wakes.length === 0) return;
      await link.run(() => queue.addBulk(wakes.map((data) => ({ name: RUN_EXECUTE, data, opts: JOB_OPTIONS }))));
    },
    async offerAttempts(offers) {
      const jobs = offers.map((data) => ({ name: ATTEMPT_EXECUTE, data, opts: OFFER_OPTIONS }));
      await link.run(() => attempts.addBulk(jobs));
    },
    ringOutcome: (runId) => ring('outcomes', runId),
    ringExecutors: (runId) => ring('executors', runId),
    ringOwner: (runId) => ring('signals', runId),
    ringAnswer: (runId) => ring('answers', runId),
    isReady: () =>
      probe().then(
        () => true,
        () => false,
      ),
    assertReady: sharedFor(PROBED_FOR_MS, link, probe),
    countJobs: () => link.run(() => queue.getJobCounts('waiting', 'active', 'delayed')),
    countWorkers: () => link.run(() => queue.getWorkersCount()),
    async close() {
      link.redis.disconnect();
      await Promise.all([queue.close(), attempts.close()]);
    },
  };
}
