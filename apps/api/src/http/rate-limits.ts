/**
 * How often strangers may try, and a user what is dear. Redis counts for all instances together; this process counts along,
 * so that a limit holds while Redis is away, and right from the moment it goes. Nobody is let in, and nobody is answered
 * 500, because of Redis.
 */
import type { Link } from '@millrace/queue/link';
import type { ApiConfig } from '@millrace/shared/config';
import type { RateLimitClass, UserRateLimitClass } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { rateLimited } from '@millrace/shared/events';
import type { FastifyReply } from 'fastify';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { PublicContext } from '../context.ts';
import { addressBucket, addressNetwork } from './client-address.ts';
import { countTwice } from './two-counts.ts';

/** `hook` counts by webhook, whoever calls it: its senders share their addresses with those of others. */
type AnyClass = RateLimitClass | UserRateLimitClass | 'hook';

/** Every class: the setting that says how many requests one caller may make in the window, and what a caller is. */
const CLASSES = {
  'sign-in': { setting: 'RATE_LIMIT_SIGN_IN_PER_MIN', windowSec: 60, bucketsOf: bucketsOfAddress },
  link: { setting: 'RATE_LIMIT_LINK_PER_MIN', windowSec: 60, bucketsOf: bucketsOfAddress },
  'password-change': { setting: 'RATE_LIMIT_PASSWORD_CHANGES_PER_HOUR', windowSec: 3600, bucketsOf: bucketsOfOne },
  'slug-check': { setting: 'RATE_LIMIT_SLUG_CHECKS_PER_MIN', windowSec: 60, bucketsOf: bucketsOfOne },
  hook: { setting: 'RATE_LIMIT_HOOK_PER_MIN', windowSec: 60, bucketsOf: bucketsOfOne },
} as const satisfies Record<
  AnyClass,
  { setting: keyof ApiConfig; windowSec: number; bucketsOf: (caller: string) => Bucket[] }
>;

/** What is counted together, and how many times the limit of a class it may use. */
interface Bucket {
  key: string;
  share: number;
}

/** A whole IPv6 /48 may send what ten of its /64 may: else one customer of a provider had 65,536 limits to spend. */
const NETWORK_SHARE = 10;

interface Count {
  limit: number;
  /** Requests in the window that is open, this one included. */
  used: number;
  /** Until the window ends. */
  resetMs: number;
}

export interface RateLimits {
  /**
   * Counts one request of this caller, who is an address, a user's id or a webhook, as the class is. Of an address that counts in two
   * buckets the answer is about the one with less left. Never throws; waits for Redis at most as long as its link does.
   */
  count(rateClass: AnyClass, caller: string): Promise<Count>;
}

/** `namespace` keeps installations apart that share one Redis. */
export function openRateLimits(link: Link, config: ApiConfig, namespace: string): RateLimits {
  const counters = new Map(
    Object.entries(CLASSES).map(([rateClass, { setting, windowSec }]) => {
      const options = { points: config[setting], duration: windowSec, keyPrefix: `${namespace}:limits:${rateClass}` };
      return [rateClass, openCounter(link, options)];
    }),
  );
  return {
    async count(rateClass, caller) {
      const add = counters.get(rateClass);
      const [bucket, network] = CLASSES[rateClass].bucketsOf(caller);
      if (!add || !bucket) throw new Error(`no limit is known by the name ${rateClass}`);
      const count = await add(bucket);
      // Refused requests of one bucket are not held against the rest of its network.
      if (!network || count.used > count.limit) return count;
      const ofNetwork = await add(network);
      return ofNetwork.limit - ofNetwork.used < count.limit - count.used ? ofNetwork : count;
    },
  };
}

/**
 * Throws 429 with the seconds to wait when the caller has used up the class. Writes the `RateLimit-*` headers of
 * draft-ietf-httpapi-ratelimit-headers-06, the ones that clients read today, into every answer.
 */
export async function spendRequest(
  context: PublicContext,
  rateClass: AnyClass,
  caller: string,
  reply: FastifyReply,
): Promise<void> {
  const { requestId, log, path, method, client, deps } = context;
  const { limit, used, resetMs } = await deps.rateLimits.count(rateClass, caller);
  const resetSec = Math.max(Math.ceil(resetMs / 1000), 1);
  reply
    .header('ratelimit-limit', limit)
    .header('ratelimit-remaining', Math.max(limit - used, 0))
    .header('ratelimit-reset', resetSec);
  if (used <= limit) return;
  // The first one beyond the limit only: a flood must not flood the log.
  if (used === limit + 1) rateLimited(log, { requestId, class: rateClass, ipAddress: client.ipAddress, path, method });
  throw new AppError('RATE_LIMITED', undefined, { retryAfterSec: resetSec });
}

function bucketsOfAddress(address: string): Bucket[] {
  const [bucket, network] = [addressBucket(address), addressNetwork(address)];
  const own = { key: bucket, share: 1 };
  return network === bucket ? [own] : [own, { key: network, share: NETWORK_SHARE }];
}

/** A user, or a webhook. */
function bucketsOfOne(key: string): Bucket[] {
  return [{ key, share: 1 }];
}

/**
 * `penalty` is the library's plain "count and tell"; its `consume` would throw beyond the limit, which the link could not
 * tell from a failure.
 */
function openCounter(link: Link, options: { points: number; duration: number; keyPrefix: string }) {
  const shared = new RateLimiterRedis({ ...options, storeClient: link.redis });
  const own = new RateLimiterMemory(options);
  return async ({ key, share }: Bucket): Promise<Count> => {
    const { consumedPoints, msBeforeNext } = await countTwice(link, {
      shared: () => shared.penalty(key),
      own: () => own.penalty(key),
      isHigher: (one, other) => one.consumedPoints > other.consumedPoints,
    });
    return { limit: options.points * share, used: consumedPoints, resetMs: msBeforeNext };
  };
}
