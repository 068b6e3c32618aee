/** What the children of a pool do: see `openExpressionPool`. */
import { startChild } from './child.ts';
import { CHILD_HEAP_MB } from './child-flags.ts';
import type { Job, Pool, Seat } from './pool-state.ts';
import { failure, readResult } from './results.ts';

/** An evaluation takes a tenth of a millisecond: who waits this long waits for a slow one, and not for a crowd. */
const SLOW_MS = 50;
/** Loading takes a fraction of a second; this is for a machine that stands still. */
const START_DEADLINE_MS = 30_000;
/** Signals by which others end processes; no expression dies of them, so its request gets a second child. */
const OUTSIDE_SIGNALS = new Set<NodeJS.Signals | null>(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);
/**
 * So many requests a child has at a time, so that it need not wait for its next one while this process is busy: one that came back
 * for each of them served a third as many. Large ones wait here, or they would take the heap of the one before them.
 */
const MOST_SENT = 16;
const MOST_SENT_AHEAD_CHARS = 64_000;

/** Gives out what waits, and sees to it that nobody waits for long. */
export function serve(pool: Pool): void {
  giveWork(pool);
  if (pool.closing !== null) return;
  if (pool.seats.size === 0 && pool.queue.length > 0) openSeat(pool);
  // An answer may be waiting in the pipe when this process was busy itself; setImmediate lets it in first.
  else if (isAnyoneWaiting(pool)) pool.growth ??= setTimeout(() => setImmediate(() => relieve(pool)), SLOW_MS);
}

const isAnyoneWaiting = (pool: Pool) =>
  pool.queue.length > 0 || [...pool.seats].some(({ jobs }) => jobs.slice(1).some(Boolean));
const isSlow = (seat: Seat) => !seat.isEnding && seat.jobs.length > 0 && performance.now() - seat.since >= SLOW_MS;

/**
 * Who stands behind a slow one is taken back, and a slow one that nobody wants any more is given up. Another child starts, unless
 * what waited was served meanwhile, or will be by one that starts already.
 */
function relieve(pool: Pool): void {
  pool.growth = undefined;
  if (pool.closing !== null) return;
  for (const seat of [...pool.seats].filter(isSlow)) {
    takeBack(pool, seat);
    if (seat.jobs[0] === null) end(seat);
  }
  giveWork(pool);
  const waitedSince = Math.max(pool.queue[0]?.askedAt ?? Number.POSITIVE_INFINITY, pool.readyAt);
  const isStarting = [...pool.seats].some((seat) => !seat.isReady);
  if (performance.now() - waitedSince >= SLOW_MS && !isStarting && pool.seats.size < pool.size) openSeat(pool);
  serve(pool);
}

/** All that a child was sent but does not work on waits again, before all others. */
function takeBack(pool: Pool, seat: Seat): void {
  const behind = seat.jobs.slice(1);
  pool.queue.unshift(...behind.filter((job) => job !== null));
  seat.jobs.fill(null, 1);
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
    isEnding: false,
    jobs: [],
    since: 0,
    timer: setTimeout(() => seat.child.kill(), START_DEADLINE_MS),
    idleTimer: undefined,
  };
  pool.seats.add(seat);
}

function setIdle(pool: Pool, seat: Seat): void {
  clearTimeout(seat.timer);
  seat.child.hold(false);
  seat.idleTimer = setTimeout(() => dismiss(pool, seat), pool.idleMs).unref();
}

/** It leaves its seat at once, so that no request is given to a child that is about to be gone. */
function dismiss(pool: Pool, seat: Seat): void {
  pool.seats.delete(seat);
  seat.child.kill();
}

function giveWork(pool: Pool): void {
  for (let seat = seatFor(pool); seat !== undefined; seat = seatFor(pool)) {
    const job = pool.queue.shift();
    if (job === undefined) return;
    seat.jobs.push(job);
    if (seat.jobs.length === 1) begin(pool, seat);
    seat.child.send(job.message);
  }
}

/** For the next request: a child without work, or else the one with the least of it that is not slow. */
function seatFor({ queue, seats }: Pool): Seat | undefined {
  const [next] = queue;
  if (next === undefined) return undefined;
  const isLarge = next.message.request.length + next.message.bindings.length > MOST_SENT_AHEAD_CHARS;
  return [...seats]
    .filter((seat) => seat.isReady && !seat.isEnding)
    .filter((seat) => seat.jobs.length === 0 || (!isLarge && seat.jobs.length < MOST_SENT && !isSlow(seat)))
    .toSorted((a, b) => a.jobs.length - b.jobs.length)[0];
}

/** With the first of its requests; the time of each counts from the answer before it. */
function begin(pool: Pool, seat: Seat): void {
  clearTimeout(seat.idleTimer);
  clearTimeout(seat.timer);
  seat.child.hold(true);
  seat.since = performance.now();
  const { since } = seat;
  // As in serve.
  seat.timer = setTimeout(() => setImmediate(() => expire(pool, seat, since)), pool.deadlineMs);
}

function takeAnswer(pool: Pool, seat: Seat, text: string): void {
  if (seat.isEnding || seat.jobs.length === 0) return;
  const result = readResult(text);
  // A child that answers nonsense is not trusted with another request; losing it decides what becomes of this one.
  if (result === null) {
    end(seat);
    return;
  }
  const job = seat.jobs.shift();
  if (seat.jobs.length > 0) begin(pool, seat);
  else setIdle(pool, seat);
  job?.resolve(result);
  giveWork(pool);
}

function end(seat: Seat): void {
  seat.isEnding = true;
  seat.child.kill();
}

/**
 * The seat stays until the child is gone. The deadline is wall time, and a starved machine is no fault of the expression: one
 * that is late gets a second child before it fails its step.
 */
function expire(pool: Pool, seat: Seat, since: number): void {
  if (seat.isEnding || seat.jobs.length === 0 || seat.since !== since) return;
  takeBack(pool, seat);
  const [job] = seat.jobs;
  seat.jobs = [];
  end(seat);
  if (!job) return;
  if (!job.isSecondTry && pool.closing === null) tryAgain(pool, job);
  else job.resolve(failure('EXPRESSION_TIMEOUT', job.path, `The expressions took longer than ${pool.deadlineMs} ms.`));
}

function tryAgain(pool: Pool, job: Job): void {
  job.isSecondTry = true;
  pool.queue.unshift(job);
}

/** Nobody wants it any more. A child that works on it is killed, one that has not begun with it is left alone. */
export function abandon(pool: Pool, job: Job, reason: unknown): void {
  pool.queue = pool.queue.filter((other) => other !== job);
  for (const seat of pool.seats) {
    const place = seat.jobs.indexOf(job);
    if (place > 0) seat.jobs[place] = null;
    if (place !== 0) continue;
    takeBack(pool, seat);
    seat.jobs = [];
    end(seat);
  }
  job.reject(reason);
}

function loseChild(pool: Pool, seat: Seat, signal: NodeJS.Signals | null, report: string): void {
  clearTimeout(seat.timer);
  clearTimeout(seat.idleTimer);
  pool.seats.delete(seat);
  takeBack(pool, seat);
  const [job] = seat.jobs;
  if (job) settleLost(pool, job, signal);
  if (pool.closing !== null) {
    rejectAll(pool, closedError());
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

export function rejectAll(pool: Pool, error: Error): void {
  for (const job of pool.queue.splice(0)) job.reject(error);
}

export function closedError(): Error {
  return new Error('the expression pool is closed');
}
