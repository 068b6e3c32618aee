/** How many attempts this process makes at once, whichever runs they belong to: each may hold a large answer in memory. */
export interface AttemptSlots {
  /** False: none is free now. Give back each that was taken. */
  take(): boolean;
  giveBack(): void;
  /** Calls `listener` once, when a slot may be free again. Whoever is called may find it taken, and waits again. */
  whenFree(listener: () => void): void;
  /** For a run that this process is done with. */
  forget(listener: () => void): void;
}

/**
 * All who wait are told of a free slot, in the order in which they began to wait: somebody who was told alone might be
 * busy, or done, and leave it unused. Whoever got one and wants more waits behind the others.
 */
export function createAttemptSlots(limit: number): AttemptSlots {
  let takenCount = 0;
  let waiting = new Set<() => void>();
  return {
    take() {
      if (takenCount >= limit) return false;
      takenCount += 1;
      return true;
    },
    giveBack() {
      takenCount -= 1;
      const told = waiting;
      waiting = new Set();
      for (const listener of told) listener();
    },
    whenFree: (listener) => void waiting.add(listener),
    forget: (listener) => void waiting.delete(listener),
  };
}
