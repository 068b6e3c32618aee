import {
  EXPRESSION_INPUT_MAX_BYTES,
  type ExpressionRequest,
  type ExpressionResult,
  evaluateTemplate,
} from '@millrace/workflow/expression';
import type { Json } from '@millrace/workflow/json';
import { narrow, type Reads } from '@millrace/workflow/planned-tree';
import { startChild } from './child.ts';
import { CHILD_HEAP_MB } from './child-flags.ts';
import type { Job, Pool, Seat } from './pool-state.ts';
import { failure, readResult } from './results.ts';

export type ExpressionPool = {
  /**
   * Evaluates a tree: plain paths here, all else in a child process, which is sent what that reads of the bindings (all of
   * them when `outside` does not say). Whatever the expressions do ends as a result: EXPRESSION_INPUT_TOO_LARGE (more
   * than 1 MB is sent), EXPRESSION_TIMEOUT, EXPRESSION_LIMIT (the child died of it), or what the evaluation says.
   * Requests are served in the order they come.
   * @throws Error when no child can be started or the pool is closed: the request itself may be fine. Throws the reason of
   * `signal` when that aborts: a child that works on the request is killed.
   */
  evaluate(request: PoolRequest, signal?: AbortSignal): Promise<ExpressionResult>;
  /** Kills the children; what is still open is rejected. Resolves when all of them are gone. */
  close(): Promise<void>;
};

export type PoolRequest = ExpressionRequest & { outside?: Reads };

export type ExpressionPoolOptions = {
  /** At most so many children at a time. Each takes some 60 MB, so they are started when they are needed. */
  size: number;
  /** Milliseconds a child may work on one request before it is killed (1000). Waiting for a free child does not count. */
  deadlineMs?: number;
  /** Milliseconds a child stays warm without anything to do (300 000). */
  idleMs?: number;
};

/** Starts no child yet. Children keep this process alive only while they start or work. */
export function openExpressionPool(options: ExpressionPoolOptions): ExpressionPool {
  const { size, deadlineMs = 1000, idleMs = 300_000 } = options;
  const pool: Pool = {
    size,
    deadlineMs,
    idleMs,
    growth: undefined,
    readyAt: 0,
    queue: [],
    seats: new Set(),
    closing: null,
  };
  return {
    evaluate: (request, signal) => submit(pool, request, signal),
    close: () => close(pool),
  };
}

/** An evaluation takes a tenth of a millisecond. One that takes this long holds up whoever waits behind it. */
const SLOW_MS = 50;
/** Whoever waits this long behind quick ones is in a crowd that one child cannot serve. A child is 70 MB: bursts are sat out. */
const CROWDED_MS = 500;
/** Loading takes a fraction of a second; this is for a machine that stands still. */
const START_DEADLINE_MS = 30_000;
/** Signals by which others end processes; no expression dies of them, so its request gets a second child. */
const OUTSIDE_SIGNALS = new Set<NodeJS.Signals | null>(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);

async function submit(
  pool: Pool,
  { bindings, outside, ...rest }: PoolRequest,
  signal?: AbortSignal,
): Promise<ExpressionResult> {
  if (pool.closing !== null) throw closedError();
  signal?.throwIfAborted();
  const sent = outside === undefined ? bindings : narrow(bindings, outside);
  const message = { request: JSON.stringify(rest), bindings: JSON.stringify(sent) };
  if (Buffer.byteLength(message.bindings) > EXPRESSION_INPUT_MAX_BYTES) {
    const limit = `${EXPRESSION_INPUT_MAX_BYTES / 1_000_000} MB`;
    const text = `The expressions read more than ${limit} of data together; only plain paths work at any size.`;
    return failure('EXPRESSION_INPUT_TOO_LARGE', rest.path, text);
  }
  const { promise, resolve, reject } = Promise.withResolvers<ExpressionResult>();
  const job: Job = { path: rest.path, message, isSecondTry: false, askedAt: performance.now(), resolve, reject };
  signal?.addEventListener('abort', () => abandon(pool, job, signal.reason), { once: true });
  pool.queue.push(job);
  serve(pool);
  const others = await promise;
  // A child of ours answers a list.
  return others.ok ? evaluateTemplate({ ...rest, bindings }, others.value as Json[]) : others;
}

function serve(pool: Pool): void {
  giveWork(pool);
  if (pool.queue.length === 0 || pool.closing !== null) return;
  if (pool.seats.size === 0) openSeat(pool);
  else if (pool.seats.size < pool.size) pool.growth ??= setTimeout(() => grow(pool), SLOW_MS);
}

/** Another child, unless what waits will be served by one that starts already, or soon by those there are. */
function grow(pool: Pool): void {
  pool.growth = undefined;
  const now = performance.now();
  const seats = [...pool.seats];
  const waitsSince = Math.max(pool.queue[0]?.askedAt ?? Number.POSITIVE_INFINITY, pool.readyAt);
  const isHeldUp = now - waitsSince >= SLOW_MS && seats.every(({ busySince }) => now - busySince >= SLOW_MS);
  const isStarting = seats.some((seat) => !seat.isReady);
  if ((isHeldUp || now - waitsSince >= CROWDED_MS) && !isStarting && seats.length < pool.size) openSeat(pool);
  serve(pool);
}

function openSeat(pool: Pool): void {
  const seat: Seat = {
    child: startChild({
      onReady() {
        seat.isReady = true;
        pool.readyAt = performance.now();
        setIdle(pool, seat);
        giveWork(pool);
      },
      onAnswer: (text) => takeAnswer(pool, seat, text),
      onExit: (signal, report) => loseChild(pool, seat, signal, report),
    }),
    isReady: false,
    job: null,
    busySince: Number.POSITIVE_INFINITY,
    timer: setTimeout(() => seat.child.kill(), START_DEADLINE_MS),
    idleTimer: undefined,
  };
  pool.seats.add(seat);
}

function setIdle(pool: Pool, seat: Seat): void {
  clearTimeout(seat.timer);
  seat.timer = undefined;
  seat.job = null;
  seat.child.hold(false);
  seat.idleTimer = setTimeout(() => dismiss(pool, seat), pool.idleMs).unref();
}

/** It leaves its seat at once, so that no request is given to a child that is about to be gone. */
function dismiss(pool: Pool, seat: Seat): void {
  pool.seats.delete(seat);
  seat.child.kill();
}

function giveWork(pool: Pool): void {
  for (const seat of pool.seats) {
    if (!seat.isReady || seat.job !== null || seat.timer !== undefined) continue;
    const job = pool.queue.shift();
    if (job === undefined) return;
    clearTimeout(seat.idleTimer);
    seat.job = job;
    seat.busySince = performance.now();
    seat.child.hold(true);
    // An answer may be waiting in the pipe when this process was busy itself; setImmediate lets it in first.
    seat.timer = setTimeout(() => setImmediate(() => expire(pool, seat, job)), pool.deadlineMs);
    seat.child.send(job.message);
  }
}

function takeAnswer(pool: Pool, seat: Seat, text: string): void {
  const { job } = seat;
  if (job === null) return;
  const result = readResult(text);
  // A child that answers nonsense is not trusted with another request; losing it decides what becomes of this one.
  if (result === null) {
    seat.child.kill();
    return;
  }
  setIdle(pool, seat);
  job.resolve(result);
  giveWork(pool);
}

/**
 * The timer stays set, so the seat gets no work until the child is gone and replaced. The deadline is wall time, and a
 * starved machine is no fault of the expression: one that is late gets a second child before it fails its step.
 */
function expire(pool: Pool, seat: Seat, job: Job): void {
  if (seat.job !== job) return;
  seat.job = null;
  seat.child.kill();
  if (!job.isSecondTry && pool.closing === null) {
    tryAgain(pool, job);
    return;
  }
  job.resolve(failure('EXPRESSION_TIMEOUT', job.path, `The expressions took longer than ${pool.deadlineMs} ms.`));
}

function tryAgain(pool: Pool, job: Job): void {
  job.isSecondTry = true;
  pool.queue.unshift(job);
}

/** As in `expire`, the timer keeps the seat empty until its child is replaced. */
function abandon(pool: Pool, job: Job, reason: unknown): void {
  pool.queue = pool.queue.filter((other) => other !== job);
  for (const seat of pool.seats) {
    if (seat.job !== job) continue;
    seat.job = null;
    seat.child.kill();
  }
  job.reject(reason);
}

function loseChild(pool: Pool, seat: Seat, signal: NodeJS.Signals | null, report: string): void {
  clearTimeout(seat.timer);
  clearTimeout(seat.idleTimer);
  pool.seats.delete(seat);
  if (seat.job !== null) settleLost(pool, seat.job, signal);
  if (pool.closing !== null) {
    if (pool.seats.size === 0) pool.closing.resolve();
    return;
  }
  // One that could not even start is not started again before someone asks.
  if (seat.isReady) serve(pool);
  if (pool.seats.size === 0) rejectAll(pool, new Error(`no expression child could be started: ${report.trim()}`));
}

function settleLost(pool: Pool, job: Job, signal: NodeJS.Signals | null): void {
  if (pool.closing !== null) {
    job.reject(closedError());
  } else if (OUTSIDE_SIGNALS.has(signal) && !job.isSecondTry) {
    tryAgain(pool, job);
  } else {
    const text = `The expressions need more than ${CHILD_HEAP_MB} MB of memory.`;
    job.resolve(failure('EXPRESSION_LIMIT', job.path, text));
  }
}

function close(pool: Pool): Promise<void> {
  if (pool.closing === null) {
    pool.closing = Promise.withResolvers<void>();
    clearTimeout(pool.growth);
    if (pool.seats.size === 0) pool.closing.resolve();
    rejectAll(pool, closedError());
    for (const seat of pool.seats) {
      seat.child.hold(true);
      seat.child.kill();
    }
  }
  return pool.closing.promise;
}

function rejectAll(pool: Pool, error: Error): void {
  for (const job of pool.queue.splice(0)) job.reject(error);
}

function closedError(): Error {
  return new Error('the expression pool is closed');
}
