import { setTimeout as delay } from 'node:timers/promises';

/** A loop over rows that are due: taken under a lease, handled side by side, looked for again and again. */

export interface DueLoop {
  /** Until then nothing is taken. */
  start(): void;
  /** Says that a row was just committed; it is taken right away. */
  poke(): void;
  /** Takes nothing new and lets what is under way finish for a while. */
  stop(): Promise<void>;
}

export interface DueLoopOptions<T> {
  /** Items handled at the same time. A slow one holds its own place and no other. */
  places: number;
  /** Finds rows of processes that died, and those whose next try is due. */
  pollMs: number;
  /** Takes at most about `limit` items, so that no other process handles them as well. */
  take(limit: number): Promise<T[]>;
  /** An item that is taken again while it is still under way here is left to that. */
  keyOf(item: T): string;
  handle(item: T): Promise<void>;
  /** Hears what `take` and `handle` throw. The lease brings back what failed half-way. */
  onError(error: unknown): void;
}

/** What is still under way then may be done twice: its row stays. */
const STOP_GRACE_MS = 5_000;

/** Runs in every API process; the rows decide who handles what. */
export function openDueLoop<T>(options: DueLoopOptions<T>): DueLoop {
  let state: 'idle' | 'running' | 'stopped' = 'idle';
  let isPoked = false;
  let timer: NodeJS.Timeout | undefined;
  let filling: Promise<void> | undefined;
  const underWay = new Map<string, Promise<void>>();
  const begin = (item: T) => {
    const key = options.keyOf(item);
    if (underWay.has(key)) return;
    const work = options
      .handle(item)
      .catch(options.onError)
      .finally(() => {
        underWay.delete(key);
        wake();
      });
    underWay.set(key, work);
  };
  const fill = async () => {
    while (isPoked && state === 'running') {
      isPoked = false;
      const free = options.places - underWay.size;
      const items = free > 0 ? await options.take(free).catch(nothing(options)) : [];
      for (const item of items) begin(item);
    }
  };
  // Not at the end of `fill`: one that finds no place free ends before its promise is known here, and would stay for ever.
  const rest = () => {
    filling = undefined;
    if (isPoked) wake();
    else if (state === 'running') timer = setTimeout(wake, options.pollMs).unref();
  };
  const wake = () => {
    if (state !== 'running') return;
    clearTimeout(timer);
    isPoked = true;
    filling ??= fill().finally(rest);
  };
  return {
    start: () => {
      state = 'running';
      wake();
    },
    poke: wake,
    stop: async () => {
      state = 'stopped';
      clearTimeout(timer);
      const ended = Promise.resolve(filling).then(() => Promise.all(underWay.values()));
      await Promise.race([ended, delay(STOP_GRACE_MS, undefined, { ref: false })]);
    },
  };
}

/** A minute, doubling to an hour; null after the 29th try, about a day after the first. */
export function retryDelaySec(attempts: number): number | null {
  if (attempts >= 29) return null;
  return Math.min(60 * 2 ** (attempts - 1), 3600);
}

function nothing<T>(options: DueLoopOptions<T>): (error: unknown) => T[] {
  return (error) => {
    options.onError(error);
    return [];
  };
}
