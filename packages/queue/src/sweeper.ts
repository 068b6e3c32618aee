import { type EventLog, type RunRef, workflowRunEnqueued } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import type { RunWake } from './jobs.ts';
import type { RunQueue } from './queue.ts';

/** How many runs one sweep wakes at most: bounded work, so that a large backlog cannot hold the loop. */
const BATCH = 100;

export interface SweeperOptions {
  intervalMs: number;
  /** Makes runs of what was accepted and has none yet, at most so many. Needs no queue: a run without a wake-up is stuck. */
  makeRuns: (limit: number) => Promise<void>;
  /** Passes on what the end of one run means for another, at most so many times. Needs no queue either. */
  settle: (limit: number) => Promise<void>;
  /** Asked first: a run that was found but could not be woken would have to wait for its next turn. */
  isQueueReady: () => Promise<boolean>;
  findStuckRuns: (limit: number) => Promise<RunWake[]>;
  /** For those found that could not be woken. */
  putBack: (runs: readonly RunWake[]) => Promise<void>;
  wakeRun: (wake: RunWake) => Promise<void>;
  /** Housekeeping that needs no queue: called at the first sweep, and then once `everyMs` have passed since. */
  cleanUp?: { everyMs: number; run: () => Promise<unknown> };
  onSwept: (count: number) => void;
  onError: (error: Error) => void;
}

/**
 * Rings again for runs that wait without a wake-up: accepted while the API died, due for a retry, or left behind by a
 * dead worker (R3, R4). Runs in every API and worker process, so that it does not die with the process it watches; the
 * database lets one at a time see the stuck runs. A failing sweep is reported and the next one tries again.
 */
export function startSweeper(options: SweeperOptions): { stop(): Promise<void> } {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let sweep: Promise<void> = Promise.resolve();
  const cleanUp = createCleaner(options);
  const schedule = () => {
    if (isStopped) return;
    timer = setTimeout(() => {
      sweep = reported(options.makeRuns, options)
        .then(() => reported(options.settle, options))
        .then(() => reported(() => sweepOnce(options), options))
        .then(cleanUp)
        .then(schedule);
    }, options.intervalMs);
    timer.unref();
  };
  schedule();
  return {
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await sweep;
    },
  };
}

/** What becomes of each run that a sweep has made: it is told, and a worker woken unless the run waits for its turn. */
export function announceMade({ queue, log }: { queue: Pick<RunQueue, 'wakeRun'>; log: EventLog }) {
  return async ({ isHeld, ...run }: RunRef & { isHeld: boolean }): Promise<void> => {
    workflowRunEnqueued(log, { requestId: null, userId: null, ...run });
    if (isHeld) return;
    failPoint('sweep.run-made-before-wake');
    await queue.wakeRun({ orgId: run.orgId, runId: run.runId });
  };
}

async function reported(work: (limit: number) => Promise<void>, { onError }: SweeperOptions): Promise<void> {
  try {
    await work(BATCH);
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)));
  }
}

async function sweepOnce(options: SweeperOptions): Promise<void> {
  const { isQueueReady, findStuckRuns, onSwept } = options;
  if (!(await isQueueReady())) return;
  const runs = await findStuckRuns(BATCH);
  if (runs.length === 0) return;
  failPoint('sweep.found-before-wake');
  const wokenCount = await wakeAll(runs, options);
  if (wokenCount > 0) onSwept(wokenCount);
}

/** Answers how many were woken, the first ones. */
async function wakeAll(runs: readonly RunWake[], { wakeRun, putBack, onError }: SweeperOptions): Promise<number> {
  for (const [index, run] of runs.entries()) {
    try {
      await wakeRun(run);
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
      await putBack(runs.slice(index));
      return index;
    }
  }
  return runs.length;
}

/** Cleans up unless it did so less than `everyMs` ago. Redis plays no part in it: it also happens while Redis is away. */
function createCleaner({ cleanUp, onError }: SweeperOptions): () => Promise<void> {
  let dueAt = 0;
  return async () => {
    if (!cleanUp || performance.now() < dueAt) return;
    dueAt = performance.now() + cleanUp.everyMs;
    try {
      await cleanUp.run();
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
  };
}
