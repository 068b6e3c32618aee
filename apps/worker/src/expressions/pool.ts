import {
  EXPRESSION_INPUT_MAX_BYTES,
  type ExpressionRequest,
  type ExpressionResult,
} from '@millrace/workflow/expression';
import type { Job, Pool } from './pool-state.ts';
import { failure } from './results.ts';
import { abandon, closedError, rejectAll, serve } from './seats.ts';

export type ExpressionPool = {
  /**
   * Evaluates a tree in a child process; whatever the expressions do ends as a result: EXPRESSION_INPUT_TOO_LARGE (more
   * than 1 MB of bindings), EXPRESSION_TIMEOUT, EXPRESSION_LIMIT (the child died of it), or what the evaluation says.
   * Requests are served in the order they come.
   * @throws Error when no child can be started or the pool is closed: the request itself may be fine. Throws the reason of
   * `signal` when that aborts: a child that works on the request is killed.
   */
  evaluate(request: ExpressionRequest, signal?: AbortSignal): Promise<ExpressionResult>;
  /** Kills the children; what is still open is rejected. Resolves when all of them are gone. */
  close(): Promise<void>;
};

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

async function submit(
  pool: Pool,
  { bindings, ...rest }: ExpressionRequest,
  signal?: AbortSignal,
): Promise<ExpressionResult> {
  if (pool.closing !== null) throw closedError();
  signal?.throwIfAborted();
  const message = { request: JSON.stringify(rest), bindings: JSON.stringify(bindings) };
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
  return promise;
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
