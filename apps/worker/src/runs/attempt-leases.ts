import type { Database } from '@millrace/db/connect';
import { type HeldAttempt, keepAttempts } from '@millrace/db/run-attempts';
import { HEARTBEAT_MS, type Lease, LeaseLostError, SILENCE_MS } from './lease.ts';

/** The right to execute one attempt of a run that may belong to another worker. It ends with that worker's lease at the latest. */
export interface AttemptLease extends Pick<Lease, 'signal' | 'remainingMs' | 'lose'> {
  stop(): void;
}

/** All offered attempts that this process executes, kept alive together: one statement for all of them. */
export interface AttemptLeases {
  /** `remainingMs` counts from `sentAt` (performance.now()), which is before the attempt was asked for. */
  keep(held: HeldAttempt, sentAt: number, remainingMs: number): AttemptLease;
  /** Somebody said that attempts of this run may not be wanted any more; nothing when none is executed here. */
  ring(runId: string): void;
}

interface Kept extends AttemptLease {
  held: HeldAttempt;
  renew(until: number): void;
}

export function createAttemptLeases(db: Database): AttemptLeases {
  const kept = new Set<Kept>();
  let timer: NodeJS.Timeout | undefined;
  let isAwaitedSince: number | null = null;
  let isRung = false;

  async function beat(): Promise<void> {
    for (const lease of kept) if (lease.remainingMs() <= 0) lease.lose();
    const asked = [...kept].filter(({ signal }) => !signal.aborted);
    const sentAt = performance.now();
    if (asked.length === 0 || (isAwaitedSince !== null && sentAt - isAwaitedSince < SILENCE_MS)) return;
    isAwaitedSince = sentAt;
    isRung = false;
    try {
      const answers = await keepAttempts(
        db,
        asked.map(({ held }) => held),
      );
      asked.forEach((lease, index) => {
        const remainingMs = answers[index] ?? null;
        if (remainingMs === null) lease.lose();
        else lease.renew(sentAt + remainingMs);
      });
    } catch {
      // A heartbeat that fails says nothing about the leases; only time does.
    } finally {
      if (isAwaitedSince === sentAt) isAwaitedSince = null;
    }
    if (isRung) void beat();
  }

  return {
    keep(held, sentAt, remainingMs) {
      timer ??= setInterval(() => void beat(), HEARTBEAT_MS);
      const lease = openLease(held, sentAt + remainingMs, () => {
        kept.delete(lease);
        if (kept.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      });
      kept.add(lease);
      return lease;
    },
    ring(runId) {
      if (![...kept].some(({ held }) => held.runId === runId)) return;
      isRung = true;
      void beat();
    },
  };
}

function openLease(held: HeldAttempt, firstUntil: number, stop: () => void): Kept {
  const controller = new AbortController();
  let until = firstUntil;
  return {
    held,
    signal: controller.signal,
    remainingMs: () => (controller.signal.aborted ? 0 : until - performance.now()),
    renew(next) {
      until = next;
    },
    lose: () =>
      controller.abort(new LeaseLostError('the attempt is not wanted any more, or another worker may have it')),
    stop,
  };
}
