import { AppError } from '@millrace/shared/errors';

const RETRY_AFTER_SEC = 1;

/**
 * Lets at most `running` pieces of work go on at a time and at most `waiting` more queue up, first come first served.
 * Beyond that a call throws 429 at once: a queue without a bound only turns a flood into a long outage.
 */
export function openWorkGate(limits: { running: number; waiting: number }) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async function pass<T>(work: () => Promise<T>): Promise<T> {
    if (running < limits.running) running += 1;
    else if (waiting.length < limits.waiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new AppError('RATE_LIMITED', undefined, { retryAfterSec: RETRY_AFTER_SEC });
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next)
        next(); // hands its place over, so `running` stays as it is
      else running -= 1;
    }
  };
}
