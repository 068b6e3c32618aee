/**
 * How often strangers may try. Redis counts for all instances together; this process counts along, so that a limit holds
 * while Redis is away, and right from the moment it goes. Nobody is let in, and nobody is answered 500, because of Redis.
 */
import type { Link } from '@millrace/queue/link';
import type { ApiConfig } from '@millrace/shared/config';
import type { RateLimitClass } from '@millrace/shared/contracts/contract';
import { AppError } from '@millrace/shared/errors';
import { rateLimited } from '@millrace/shared/events';
import type { FastifyReply } from 'fastify';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { PublicContext } from '../context.ts';
import { addressBucket } from './client-address.ts';

/** `hook` counts by webhook, whoever calls it: its senders share few addresses with those of all others. */
type LimitClass = RateLimitClass | 'hook';

/** Every class: the setting that says how many requests one address, or one webhook, may make in the window. */
const CLASSES = {
  'sign-in': { setting: 'RATE_LIMIT_SIGN_IN_PER_MIN', windowSec: 60 },
  link: { setting: 'RATE_LIMIT_LINK_PER_MIN', windowSec: 60 },
  hook: { setting: 'RATE_LIMIT_HOOK_PER_MIN', windowSec: 60 },
} as const satisfies Record<LimitClass, { setting: keyof ApiConfig; windowSec: number }>;

interface Count {
  limit: number;
  /** Requests in the window that is open, this one included. */
  used: number;
  /** Until the window ends. */
  resetMs: number;
}

export interface RateLimits {
  /** Counts one request under this key. Never throws; waits for Redis at most as long as its link does. */
  count(rateClass: LimitClass, key: string): Promise<Count>;
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
    async count(rateClass, key) {
      const add = counters.get(rateClass);
      if (!add) throw new Error(`no limit is known by the name ${rateClass}`);
      return add(key);
    },
  };
}

/**
 * Throws 429 with the seconds to wait when the caller's address, or what `key` names, has used up the class. Writes the `RateLimit-*` headers of
 * draft-ietf-httpapi-ratelimit-headers-06, the ones that clients read today, into every answer.
 */
export async function spendRequest(
  context: PublicContext,
  rateClass: LimitClass,
  reply: FastifyReply,
  key = addressBucket(context.client.ipAddress),
): Promise<void> {
  const { requestId, log, path, method, client, deps } = context;
  const { limit, used, resetMs } = await deps.rateLimits.count(rateClass, key);
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

/**
 * `penalty` is the library's plain "count and tell"; its `consume` would throw beyond the limit, which the link could not
 * tell from a failure. Of the two counts the higher one is true: after an outage Redis has missed requests, and before
 * one other instances have seen some.
 */
function openCounter(link: Link, options: { points: number; duration: number; keyPrefix: string }) {
  const shared = new RateLimiterRedis({ ...options, storeClient: link.redis });
  const own = new RateLimiterMemory(options);
  return async (key: string): Promise<Count> => {
    const seenHere = await own.penalty(key);
    const seenByAll = await link.run(() => shared.penalty(key)).catch(() => seenHere);
    const { consumedPoints, msBeforeNext } = seenByAll.consumedPoints >= seenHere.consumedPoints ? seenByAll : seenHere;
    return { limit: options.points, used: consumedPoints, resetMs: msBeforeNext };
  };
}
