/**
 * Wrong passwords for one account, whatever addresses they come from. Beyond the limit the account has to wait, longer
 * with each further wrong password, never for good. A try is counted before its password is checked and forgotten when it
 * was right, so that parallel guesses cannot slip past the count. An account that does not exist is counted like any other.
 */
import { createHash } from 'node:crypto';
import type { Link } from '@millrace/queue/link';
import { AppError } from '@millrace/shared/errors';
import { rateLimited } from '@millrace/shared/events';
import type { PublicContext } from '../../context.ts';

/** Tries count together from the first one on, and after a delay for as long again. */
const WINDOW_MS = 15 * 60_000;
const FIRST_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 15 * 60_000;
/** Accounts this process remembers by itself; beyond that the one that was tried longest ago is forgotten. */
const ACCOUNTS_KEPT = 10_000;

export interface Tries {
  count: number;
  /** No try before this time. */
  waitUntilMs: number;
  /** How many tries were refused since the delay began. */
  refusals: number;
  /** When all of this is forgotten. */
  expiresAtMs: number;
}

export interface LoginFailures {
  /** Takes one try of the account, or says that it has to wait. Never throws. */
  take(email: string): Promise<{ waitMs: number; refusals: number }>;
  /** After a right password, or a new one set by mail. Never throws. */
  forget(email: string): Promise<void>;
}

/** Counts in Redis for all instances, and where Redis does not answer in this process, from what it heard last. */
export function openLoginFailures(link: Link, limit: number, namespace: string): LoginFailures {
  const known = new Map<string, Tries>();
  const remember = (key: string, tries: Tries) => {
    known.delete(key);
    known.set(key, tries);
    const [oldest] = known.keys();
    if (known.size > ACCOUNTS_KEPT && oldest !== undefined) known.delete(oldest);
  };
  return {
    async take(email) {
      const key = keyOf(namespace, email);
      const shared = await link.run(() => takeShared(link, key, limit)).catch(() => undefined);
      const nowMs = Date.now();
      const tries = shared ? readAnswer(shared, nowMs) : takeTry(known.get(key), limit, nowMs);
      remember(key, tries);
      return { waitMs: tries.refusals > 0 ? tries.waitUntilMs - nowMs : 0, refusals: tries.refusals };
    },
    async forget(email) {
      const key = keyOf(namespace, email);
      known.delete(key);
      await link.run(() => link.redis.del(key)).catch(() => undefined);
    },
  };
}

/** Throws 429 with the seconds to wait when the account has to, and writes an event once per delay. */
export async function takeLoginTry(context: PublicContext, email: string): Promise<void> {
  const { requestId, log, path, method, client, deps } = context;
  const { waitMs, refusals } = await deps.loginFailures.take(email);
  if (refusals === 0) return;
  if (refusals === 1)
    rateLimited(log, { requestId, class: 'login-failures', ipAddress: client.ipAddress, path, method });
  throw new AppError('RATE_LIMITED', 'Too many wrong passwords for this account; wait as long as Retry-After says.', {
    retryAfterSec: Math.max(Math.ceil(waitMs / 1000), 1),
  });
}

/** The rule: what a try makes of the tries before it. It was refused when `refusals` is not 0. */
export function takeTry(before: Tries | undefined, limit: number, nowMs: number): Tries {
  const known = before && before.expiresAtMs > nowMs ? before : undefined;
  if (known && known.waitUntilMs > nowMs) return { ...known, refusals: known.refusals + 1 };
  const count = (known?.count ?? 0) + 1;
  const delayMs = count < limit ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (count - limit), LONGEST_DELAY_MS);
  const expiresAtMs = known && delayMs === 0 ? known.expiresAtMs : nowMs + delayMs + WINDOW_MS;
  return { count, waitUntilMs: nowMs + delayMs, refusals: 0, expiresAtMs };
}

/** The same rule as one step of Redis, by its clock. */
const TAKE_TRY = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, firstDelay, longestDelay, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'count', 'waitUntil')
local count, waitMs = tonumber(known[1]) or 0, (tonumber(known[2]) or 0) - now
if waitMs > 0 then
  local refusals = redis.call('HINCRBY', KEYS[1], 'refusals', 1)
  return {count, waitMs, refusals, redis.call('PTTL', KEYS[1])}
end
count = count + 1
local delay = 0
if count >= limit then delay = math.min(firstDelay * 2 ^ (count - limit), longestDelay) end
redis.call('HSET', KEYS[1], 'count', count, 'waitUntil', now + delay, 'refusals', 0)
if count == 1 or delay > 0 then redis.call('PEXPIRE', KEYS[1], delay + window) end
return {count, delay, 0, redis.call('PTTL', KEYS[1])}`;

type Answer = [count: number, waitMs: number, refusals: number, ttlMs: number];

async function takeShared(link: Link, key: string, limit: number): Promise<Answer> {
  const answer = await link.redis.call('EVAL', TAKE_TRY, 1, key, limit, FIRST_DELAY_MS, LONGEST_DELAY_MS, WINDOW_MS);
  return answer as Answer;
}

function readAnswer([count, waitMs, refusals, ttlMs]: Answer, nowMs: number): Tries {
  return { count, waitUntilMs: nowMs + waitMs, refusals, expiresAtMs: nowMs + ttlMs };
}

/** The hash keeps addresses out of Redis, where they would outlive what people were told about them. */
function keyOf(namespace: string, email: string): string {
  return `${namespace}:limits:login-failures:${createHash('sha256').update(email).digest('hex')}`;
}
