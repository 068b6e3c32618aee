import type { Database } from '@millrace/db/connect';
import { type RunAnswer, readRunAnswers } from '@millrace/db/run-answers';
import type { RunRef } from '@millrace/db/run-events';
import { listenForBell } from '@millrace/queue/bell';

/** Behind the bell, which may be missed: a run may end in the API, and Redis may be away. */
const POLL_MS = 1_000;
/** Requests that wait at a time, in one process and of one organization; more are not made to wait. */
const MAX_WAITING = 500;
const MAX_WAITING_PER_ORG = 100;

/** Requests of this process that wait for what their runs answer. Any instance can answer for any run: answers are rows. */
export interface HookAnswers {
  /**
   * What the run answers. Null when that takes longer than the setting says, when `signal` is aborted, when the program
   * ends, and at once when too many wait already. Never rejects. `isKnown`: the run may have answered before.
   */
  wait(run: RunRef, options: { signal: AbortSignal; isKnown: boolean }): Promise<RunAnswer | null>;
  /** Ends all waiting, and lets nobody wait any more. */
  close(): Promise<void>;
}

interface Settings {
  db: Database;
  redisUrl: string;
  queueName: string;
  timeoutMs: number;
  onError: (error: Error) => void;
}

interface Waiter {
  run: RunRef;
  settle(answer: RunAnswer | null): void;
}

interface Waiting {
  settings: Settings;
  waiters: Set<Waiter>;
  /** Those that are looked for next, by a call under way or by the next one. */
  rung: Set<Waiter>;
  isReading: boolean;
  timer: NodeJS.Timeout | undefined;
  isClosed: boolean;
}

export function openHookAnswers(settings: Settings): HookAnswers {
  const waiting: Waiting = {
    ...{ settings, waiters: new Set<Waiter>(), rung: new Set<Waiter>() },
    ...{ isReading: false, timer: undefined, isClosed: false },
  };
  const bell = listenForBell({
    ...{ redisUrl: settings.redisUrl, queueName: settings.queueName, name: 'answers' },
    onRing: (runId) => look(waiting, (waiter) => waiter.run.runId === runId),
  });
  return {
    wait: (run, { signal, isKnown }) =>
      hasPlace(waiting, run, signal) ? wait(waiting, run, signal, isKnown) : nothing,
    async close() {
      if (waiting.isClosed) return;
      waiting.isClosed = true;
      clearTimeout(waiting.timer);
      for (const waiter of waiting.waiters) waiter.settle(null);
      await bell.close();
    },
  };
}

const nothing = Promise.resolve(null);

function hasPlace({ waiters, isClosed }: Waiting, { orgId }: RunRef, signal: AbortSignal): boolean {
  if (isClosed || signal.aborted || waiters.size >= MAX_WAITING) return false;
  return [...waiters].filter(({ run }) => run.orgId === orgId).length < MAX_WAITING_PER_ORG;
}

function wait(waiting: Waiting, run: RunRef, signal: AbortSignal, isKnown: boolean): Promise<RunAnswer | null> {
  return new Promise((resolve) => {
    const leave = () => waiter.settle(null);
    const timeout = setTimeout(leave, waiting.settings.timeoutMs);
    const waiter: Waiter = {
      run,
      settle(answer) {
        waiting.waiters.delete(waiter);
        waiting.rung.delete(waiter);
        clearTimeout(timeout);
        signal.removeEventListener('abort', leave);
        resolve(answer);
      },
    };
    signal.addEventListener('abort', leave, { once: true });
    waiting.waiters.add(waiter);
    if (isKnown) look(waiting, (other) => other === waiter);
    schedule(waiting);
  });
}

function schedule(waiting: Waiting): void {
  if (waiting.timer !== undefined || waiting.isClosed || waiting.waiters.size === 0) return;
  waiting.timer = setTimeout(() => {
    waiting.timer = undefined;
    look(waiting, () => true);
    schedule(waiting);
  }, POLL_MS);
}

/** Looks for the answers of those who match; what is rung for meanwhile is looked for right after. */
function look(waiting: Waiting, matches: (waiter: Waiter) => boolean): void {
  for (const waiter of waiting.waiters) if (matches(waiter)) waiting.rung.add(waiter);
  if (waiting.isReading || waiting.rung.size === 0) return;
  waiting.isReading = true;
  void read(waiting).finally(() => {
    waiting.isReading = false;
  });
}

/** Never rejects: while the database is away there are no answers, and the next second asks again. */
async function read({ settings, rung }: Waiting): Promise<void> {
  while (rung.size > 0) {
    const asked = [...rung];
    rung.clear();
    try {
      const answers = await readRunAnswers(
        settings.db,
        asked.map(({ run }) => run),
      );
      for (const [index, waiter] of asked.entries()) {
        const answer = answers[index] ?? null;
        if (answer !== null) waiter.settle(answer);
      }
    } catch (error) {
      settings.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
