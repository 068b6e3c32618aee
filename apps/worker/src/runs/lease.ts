import type { Database } from '@millrace/db/connect';
import { type ClaimedRun, heartbeatRun } from '@millrace/db/runs';

/** How long a silent owner keeps a run. Longer delays every take-over, shorter makes pauses of the process dangerous. */
export const LEASE_MS = 10_000;
const HEARTBEAT_MS = 3_000;

/** Thrown when another worker may own the run by now: nothing must be written or started for it any more. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

export interface Lease {
  /** performance.now() from before the claim was sent. */
  readonly claimedAt: number;
  /** Aborts as soon as the lease is known or must be assumed to be lost. */
  readonly signal: AbortSignal;
  /** Milliseconds that are certainly left; zero or less once another owner is possible. */
  remainingMs(): number;
  /** A fenced write sent at `sentAt` (performance.now()) went through, which started the lease anew. */
  renewed(sentAt: number): void;
  lose(): void;
  /**
   * No more heartbeats, only the deadline stays. To be called before a write that gives the run up: a heartbeat that
   * finds it given up would look like a lost lease.
   */
  letGo(): void;
  stop(): void;
}

/** Keeps a claimed run's lease alive by heartbeats. `claimedAt` is performance.now() from before the claim was sent. */
export function keepLease(db: Database, run: ClaimedRun, claimedAt: number): Lease {
  const controller = new AbortController();
  let renewedAt = claimedAt;
  let isLettingGo = false;
  const remainingMs = () => (controller.signal.aborted ? 0 : renewedAt + LEASE_MS - performance.now());
  const lease: Lease = {
    claimedAt,
    signal: controller.signal,
    remainingMs,
    renewed(sentAt) {
      renewedAt = Math.max(renewedAt, sentAt);
    },
    lose: () => controller.abort(new LeaseLostError('the lease was lost')),
    letGo() {
      isLettingGo = true;
    },
    stop: () => clearInterval(timer),
  };
  const timer = setInterval(() => {
    if (remainingMs() <= 0) lease.lose();
    else if (!isLettingGo) void beat(db, run, lease, () => isLettingGo);
  }, HEARTBEAT_MS);
  return lease;
}

/** A heartbeat that fails says nothing about the lease; only time does. It counts from before the heartbeat was sent. */
async function beat(
  db: Database,
  { orgId, runId, leaseToken }: ClaimedRun,
  lease: Lease,
  isLettingGo: () => boolean,
): Promise<void> {
  const sentAt = performance.now();
  try {
    const isOwner = await heartbeatRun(db, { orgId, runId, leaseToken, leaseMs: LEASE_MS });
    if (isOwner) lease.renewed(sentAt);
    else if (!isLettingGo()) lease.lose();
  } catch {
    // The next tick looks at the time that is left.
  }
}
