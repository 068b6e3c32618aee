import type { Database } from '@millrace/db/connect';
import { type ClaimedRun, type HeldLease, heartbeatRuns } from '@millrace/db/run-ownership';

/** How long a silent owner keeps a run. Longer delays every take-over, shorter makes pauses of the process dangerous. */
export const LEASE_MS = 10_000;
/** Also how soon an owner hears a signal while Redis is away: a cancelled step has to stop within a second. */
export const HEARTBEAT_MS = 500;
/** A heartbeat that was not answered for so long does not keep the next one from being sent. */
export const SILENCE_MS = 2_000;

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
  /** Heartbeats again: the run was not given up after all. */
  hold(): void;
  /** Called when the run has unread signals, maybe more often than once for each. */
  onSignals(listener: () => void): void;
  stop(): void;
}

/** The leases of all runs that this process owns, kept alive together: one statement for all of them. */
export interface Leases {
  /** `claimedAt` is performance.now() from before the claim was sent. */
  keep(run: ClaimedRun, claimedAt: number): Lease;
  /** Somebody said that this run has signals; nothing when it is not ours. */
  ring(runId: string): void;
  /** How many runs this process owns now. */
  count(): number;
}

interface Kept {
  held: HeldLease;
  lease: Lease;
  isLettingGo: boolean;
  onSignals: () => void;
}

export function createLeases(db: Database): Leases {
  const kept = new Map<string, Kept>();
  let timer: NodeJS.Timeout | undefined;
  let isAwaitedSince: number | null = null;

  async function beat(): Promise<void> {
    for (const { lease } of kept.values()) if (lease.remainingMs() <= 0) lease.lose();
    const asked = [...kept.values()].filter((one) => !one.isLettingGo && !one.lease.signal.aborted);
    const sentAt = performance.now();
    if (asked.length === 0 || (isAwaitedSince !== null && sentAt - isAwaitedSince < SILENCE_MS)) return;
    isAwaitedSince = sentAt;
    try {
      const answers = await heartbeatRuns(
        db,
        asked.map(({ held }) => held),
      );
      asked.forEach((one, index) => {
        hear(one, answers[index], sentAt);
      });
    } catch {
      // A heartbeat that fails says nothing about the leases; only time does. The next one looks at what is left.
    } finally {
      if (isAwaitedSince === sentAt) isAwaitedSince = null;
    }
  }

  return {
    keep(run, claimedAt) {
      timer ??= setInterval(() => void beat(), HEARTBEAT_MS);
      const { orgId, workflowId, runId, leaseToken } = run;
      const leave = () => {
        if (kept.get(runId) === one) kept.delete(runId);
        if (kept.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
      const one: Kept = {
        held: { orgId, workflowId, runId, leaseToken, leaseMs: LEASE_MS },
        isLettingGo: false,
        onSignals: () => {},
        lease: openLease(claimedAt, () => one, leave),
      };
      // This process claimed the run anew after its own lease had run out: the claim before this one is over.
      kept.get(runId)?.lease.lose();
      kept.set(runId, one);
      return one.lease;
    },
    ring: (runId) => kept.get(runId)?.onSignals(),
    count: () => kept.size,
  };
}

function openLease(claimedAt: number, self: () => Kept, leave: () => void): Lease {
  const controller = new AbortController();
  let renewedAt = claimedAt;
  return {
    claimedAt,
    signal: controller.signal,
    remainingMs: () => (controller.signal.aborted ? 0 : renewedAt + LEASE_MS - performance.now()),
    // It counts from before the write was sent.
    renewed(sentAt) {
      renewedAt = Math.max(renewedAt, sentAt);
    },
    lose: () => controller.abort(new LeaseLostError('the lease was lost')),
    letGo() {
      self().isLettingGo = true;
    },
    hold() {
      self().isLettingGo = false;
    },
    onSignals(listener) {
      self().onSignals = listener;
    },
    stop: leave,
  };
}

function hear(one: Kept, answer: { isOwner: boolean; hasSignals: boolean } | undefined, sentAt: number): void {
  if (answer?.isOwner) one.lease.renewed(sentAt);
  else if (!one.isLettingGo) one.lease.lose();
  if (answer?.hasSignals) one.onSignals();
}
