import { setTimeout as delay } from 'node:timers/promises';
import { isDatabaseTransient } from '@millrace/db/failures';
import { type Lease, LeaseLostError } from './lease.ts';

export type Held = Pick<Lease, 'signal' | 'remainingMs' | 'lose'>;

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 500;

/**
 * Does `work` again while PostgreSQL cannot be reached or gives statements up, as long as the lease certainly lasts; then, or when the lease is
 * lost meanwhile, throws a LeaseLostError. Only for work that may be done twice: the answer of a call that was cut off
 * is unknown.
 */
export async function persist<T>(lease: Held, work: () => Promise<T>): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    assertHeld(lease);
    try {
      return await orLost(lease, work());
    } catch (error) {
      if (!isDatabaseTransient(error)) throw error;
    }
    await delay(pauseMs);
  }
}

/** @throws LeaseLostError when another worker may own the run. */
export function assertHeld(lease: Held): void {
  if (lease.remainingMs() > 0) return;
  lease.lose();
  throw new LeaseLostError('the lease ran out');
}

/** An answer that has arrived by now was only not read yet: a process that was frozen hears of its lease first. */
const LATE_ANSWER_MS = 100;

/** A query on a dead connection may never answer; nobody may wait for it longer than the lease lasts. */
async function orLost<T>(lease: Held, work: Promise<T>): Promise<T> {
  let onLost = () => {};
  const lost = new Promise<never>((_resolve, reject) => {
    onLost = () => setTimeout(() => reject(lease.signal.reason), LATE_ANSWER_MS);
    lease.signal.addEventListener('abort', onLost, { once: true });
  });
  try {
    return await Promise.race([work, lost]);
  } finally {
    lease.signal.removeEventListener('abort', onLost);
  }
}
