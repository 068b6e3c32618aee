import type { Link } from '@millrace/queue/link';

interface TwoCounts<T> {
  /** Counts in Redis, for all instances together. */
  shared(): Promise<T>;
  /** Counts in this process, told what Redis answered if it did. Must not wait for anything outside. */
  own(seenByAll: T | undefined): T | Promise<T>;
  isHigher(one: T, other: T): boolean;
}

/**
 * Counts in Redis and in this process along with it; answers the higher of the two, or its own while Redis is away. After
 * an outage Redis has missed some, and before one other instances have seen some. Never throws; waits for Redis at most as
 * long as the link does.
 */
export async function countTwice<T>(link: Link, { shared, own, isHigher }: TwoCounts<T>): Promise<T> {
  const seenByAll = await link.run(shared).catch(() => undefined);
  const seenHere = await own(seenByAll);
  return seenByAll === undefined || isHigher(seenHere, seenByAll) ? seenHere : seenByAll;
}
