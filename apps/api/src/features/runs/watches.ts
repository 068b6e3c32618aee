import type { Database } from '@millrace/db/connect';
import { type RunProgress, type RunRef, watchRuns } from '@millrace/db/run-events';
import { AppError } from '@millrace/shared/errors';

/** With the way to the database and to the reader, a change is seen well within 300 ms of its commit. */
const POLL_MS = 150;
/** So long without news a connection is kept alive by a word. */
const QUIET_MS = 15_000;
/** What one process shows at a time, and shows one user. */
const MAX_STREAMS = 500;
const MAX_STREAMS_PER_USER = 10;
const RETRY_AFTER_SEC = 5;

/**
 * Everything that this process shows live. It asks the database for all watched runs in one statement, and only while
 * somebody watches: no other process and no Redis takes part, so any instance can show any run.
 */
export interface RunWatches {
  /**
   * Takes a place for a stream and answers how to give it back; `end` is called when the program ends. Throws 429
   * RATE_LIMITED while the user, or the process, has as many as it may.
   */
  admit(userId: string, end: () => void): () => void;
  /** The run's progress once it is beyond `seen` or ended, which a run that is gone has too; null after 15 s or an abort. */
  next(run: RunRef, seen: number, signal: AbortSignal): Promise<RunProgress | null>;
  /** Ends all streams and admits none any more. */
  close(): void;
}

interface Waiter {
  run: RunRef;
  seen: number;
  /** By performance.now(). */
  quietUntil: number;
  resolve(progress: RunProgress | null): void;
}

interface Watching {
  db: Database;
  onError: (error: Error) => void;
  waiters: Set<Waiter>;
  timer: NodeJS.Timeout | undefined;
  isClosed: boolean;
}

export function openRunWatches(db: Database, onError: (error: Error) => void): RunWatches {
  const watching: Watching = { db, onError, waiters: new Set(), timer: undefined, isClosed: false };
  const places = openPlaces();
  return {
    admit(userId, end) {
      if (watching.isClosed) throw tooMany('This program is ending; connect again.');
      return places.take(userId, end);
    },
    next: (run, seen, signal) => next(watching, run, seen, signal),
    close() {
      watching.isClosed = true;
      clearTimeout(watching.timer);
      places.endAll();
    },
  };
}

function next(watching: Watching, run: RunRef, seen: number, signal: AbortSignal): Promise<RunProgress | null> {
  if (signal.aborted || watching.isClosed) return Promise.resolve(null);
  return new Promise((resolve) => {
    const leave = () => settle(watching, waiter, null);
    const waiter: Waiter = {
      ...{ run, seen, quietUntil: performance.now() + QUIET_MS },
      resolve(progress) {
        signal.removeEventListener('abort', leave);
        resolve(progress);
      },
    };
    signal.addEventListener('abort', leave, { once: true });
    watching.waiters.add(waiter);
    schedule(watching);
  });
}

function schedule(watching: Watching): void {
  if (watching.timer !== undefined || watching.isClosed || watching.waiters.size === 0) return;
  watching.timer = setTimeout(async () => {
    await poll(watching);
    watching.timer = undefined;
    schedule(watching);
  }, POLL_MS);
}

/** Never rejects: while the database is away there is no news. */
async function poll(watching: Watching): Promise<void> {
  const asked = [...watching.waiters];
  const runs = [...new Map(asked.map(({ run }) => [run.runId, run])).values()];
  try {
    const answers = await watchRuns(watching.db, runs);
    const progress = new Map(runs.map(({ runId }, index) => [runId, answers[index] ?? null]));
    for (const waiter of asked) tell(watching, waiter, progress.get(waiter.run.runId) ?? null);
  } catch (error) {
    watching.onError(error instanceof Error ? error : new Error(String(error)));
  }
  const now = performance.now();
  for (const waiter of asked) if (waiter.quietUntil <= now) settle(watching, waiter, null);
}

function tell(watching: Watching, waiter: Waiter, progress: RunProgress | null): void {
  const { seen } = waiter;
  if (progress === null) settle(watching, waiter, { eventCount: seen, hasEnded: true });
  else if (progress.hasEnded || progress.eventCount > seen) settle(watching, waiter, progress);
}

function settle({ waiters }: Watching, waiter: Waiter, progress: RunProgress | null): void {
  if (waiters.delete(waiter)) waiter.resolve(progress);
}

/** Who has a stream open, and how to end it. */
function openPlaces() {
  const ends = new Set<{ userId: string; end: () => void }>();
  return {
    take(userId: string, end: () => void): () => void {
      const own = [...ends].filter((place) => place.userId === userId).length;
      if (own >= MAX_STREAMS_PER_USER) throw tooMany(`You follow ${own} runs already; close one of them.`);
      if (ends.size >= MAX_STREAMS) throw tooMany('Too many runs are being followed; connect again.');
      const place = { userId, end };
      ends.add(place);
      return () => void ends.delete(place);
    },
    endAll() {
      for (const { end } of [...ends]) end();
    },
  };
}

function tooMany(message: string): AppError {
  return new AppError('RATE_LIMITED', message, { retryAfterSec: RETRY_AFTER_SEC });
}
