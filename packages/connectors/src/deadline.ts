import { ActionError } from './sdk.ts';

/** Longer timers overflow in Node and fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export type Deadline = { signal: AbortSignal; close(): void };

/**
 * A signal that aborts with TIMEOUT after `timeoutMs`, or with ABORTED when `outer` does (an ActionError as the outer
 * reason is passed on as it is). `close` must be called, else the timer and the listener stay.
 */
export function openDeadline(timeoutMs: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  const onOuterAbort = () => controller.abort(abortError(outer?.reason));
  const onTimeout = () =>
    controller.abort(new ActionError('TIMEOUT', `There was no answer within ${timeoutMs} ms.`, { retryable: true }));
  const timer = setTimeout(onTimeout, Math.min(Math.max(timeoutMs, 0), LONGEST_TIMER_MS));
  outer?.addEventListener('abort', onOuterAbort, { once: true });
  if (outer?.aborted) onOuterAbort();
  return {
    signal: controller.signal,
    close() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onOuterAbort);
    },
  };
}

/**
 * Settles as `work` does, but rejects with the signal's reason as soon as it aborts. The work itself is not stopped,
 * only no longer waited for; its late failure is swallowed.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function abortError(reason: unknown): ActionError {
  return reason instanceof ActionError ? reason : new ActionError('ABORTED', 'The step was stopped before it ended.');
}
