/**
 * Wrong passwords for one account. Those of all strangers count together, whatever addresses they come from; those from an
 * address where the account's owner signed in before count for that address alone, so that no stranger keeps the owner
 * waiting there. Beyond the limit whoever they count for has to wait, longer with each further wrong password, never for
 * good. A try is counted before its password is checked and forgotten when it was right, so that parallel guesses cannot
 * slip past the count. An account that does not exist is counted like any other.
 */
import { createHash } from 'node:crypto';
import type { Link } from '@millrace/queue/link';
import { AppError } from '@millrace/shared/errors';
import { rateLimited } from '@millrace/shared/events';
import type { PublicContext } from '../../context.ts';
import { addressBucket } from '../../http/client-address.ts';
import { countTwice } from '../../http/two-counts.ts';

/** Tries count together from the first one on, and after a delay for as long again. */
const WINDOW_MS = 15 * 60_000;
const FIRST_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 15 * 60_000;
/** Guessers this process remembers by itself; beyond that the one who tried longest ago is forgotten. */
const GUESSERS_KEPT = 10_000;

export interface Tries {
  count: number;
  /** No try before this time. */
  waitUntilMs: number;
  /** How many tries were refused since the delay began. */
  refusals: number;
  /** When all of this is forgotten. */
  expiresAtMs: number;
  /** When the last of them was taken. */
  takenAtMs: number;
}

/** Whose wrong passwords count together; one of the three below. No address holds a space, so none is another. */
type Guesser = string;

function strangers(email: string): Guesser {
  return email;
}

/** Whoever is at an address that the account was signed in from before. */
function regulars(email: string, ipAddress: string): Guesser {
  return `${email} ${addressBucket(ipAddress)}`;
}

/** Whoever holds a session of the user and is asked for the current password. */
export function holderOf(userId: string): Guesser {
  return `session ${userId}`;
}

/** Everybody who may count for a sign-in from this address. */
export function guessersAt(email: string, ipAddress: string): Guesser[] {
  return [strangers(email), regulars(email, ipAddress)];
}

/** Who counts for a sign-in from this address, given those that the account was signed in from before. */
export function guesserAt(email: string, ipAddress: string, knownAddresses: readonly string[]): Guesser {
  const bucket = addressBucket(ipAddress);
  const isKnown = knownAddresses.some((known) => addressBucket(known) === bucket);
  return isKnown ? regulars(email, ipAddress) : strangers(email);
}

export interface LoginFailures {
  /** Takes one try, or says that it has to wait. Never throws. */
  take(guesser: Guesser): Promise<{ waitMs: number; refusals: number }>;
  /** After a right password. Never throws. */
  forget(guesser: Guesser): Promise<void>;
}

/** Counts in Redis for all instances, and in this process from what it heard last. */
export function openLoginFailures(link: Link, limit: number, namespace: string): LoginFailures {
  const known = new Map<string, Tries>();
  const remember = (key: string, tries: Tries) => {
    known.delete(key);
    known.set(key, tries);
    const [oldest] = known.keys();
    if (known.size > GUESSERS_KEPT && oldest !== undefined) known.delete(oldest);
  };
  return {
    async take(guesser) {
      const key = keyOf(namespace, guesser);
      const tries = await countTwice<SharedTries>(link, {
        shared: () => takeShared(link, key, limit),
        own: (seenByAll) => takeOwn(known.get(key), seenByAll, limit),
        isHigher: (one, other) => (isRefused(one) === isRefused(other) ? one.count > other.count : isRefused(one)),
      });
      remember(key, tries);
      return { waitMs: isRefused(tries) ? tries.waitUntilMs - Date.now() : 0, refusals: tries.refusals };
    },
    async forget(guesser) {
      const key = keyOf(namespace, guesser);
      known.delete(key);
      await link.run(() => forgetShared(link, key)).catch(() => undefined);
    },
  };
}

/** Throws 429 with the seconds to wait when the guesser has to, and writes an event once per delay. */
export async function takeLoginTry(context: PublicContext, guesser: Guesser): Promise<void> {
  const { requestId, log, path, method, client, deps } = context;
  const { waitMs, refusals } = await deps.loginFailures.take(guesser);
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
  if (known && isWaiting(known, nowMs)) return { ...known, refusals: known.refusals + 1 };
  const count = (known?.count ?? 0) + 1;
  const delayMs = count < limit ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (count - limit), LONGEST_DELAY_MS);
  const expiresAtMs = known && delayMs === 0 ? known.expiresAtMs : nowMs + delayMs + WINDOW_MS;
  return { count, waitUntilMs: nowMs + delayMs, refusals: 0, expiresAtMs, takenAtMs: nowMs };
}

function isWaiting(tries: Tries, nowMs: number): boolean {
  return tries.waitUntilMs > nowMs;
}

function isRefused(tries: Tries): boolean {
  return tries.refusals > 0;
}

/** What this process makes of a try: a new one by its own memory, unless Redis has refused it, for then it was none. */
function takeOwn(remembered: Tries | undefined, seenByAll: SharedTries | undefined, limit: number): Tries {
  const nowMs = Date.now();
  // A right password at another instance ends what this one remembers from before it.
  const isForgotten = remembered && seenByAll?.forgottenAtMs && remembered.takenAtMs <= seenByAll.forgottenAtMs;
  const before = isForgotten ? undefined : remembered;
  if (seenByAll && isRefused(seenByAll) && !(before && isWaiting(before, nowMs))) return seenByAll;
  return takeTry(before, limit, nowMs);
}

/** The same rule as one step of Redis, by its clock. */
const TAKE_TRY = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, firstDelay, longestDelay, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'count', 'waitUntil')
local forgottenAgo = now - (tonumber(redis.call('GET', KEYS[2])) or now + 1)
local count, waitMs = tonumber(known[1]) or 0, (tonumber(known[2]) or 0) - now
if waitMs > 0 then
  local refusals = redis.call('HINCRBY', KEYS[1], 'refusals', 1)
  return {count, waitMs, refusals, redis.call('PTTL', KEYS[1]), forgottenAgo}
end
count = count + 1
local delay = 0
if count >= limit then delay = math.min(firstDelay * 2 ^ (count - limit), longestDelay) end
redis.call('HSET', KEYS[1], 'count', count, 'waitUntil', now + delay, 'refusals', 0)
if count == 1 or delay > 0 then redis.call('PEXPIRE', KEYS[1], delay + window) end
return {count, delay, 0, redis.call('PTTL', KEYS[1]), forgottenAgo}`;

/** Forgets, and notes for as long as any process may remember that it did, unless there was only the one right try. */
const FORGET = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if (tonumber(redis.call('HGET', KEYS[1], 'count')) or 0) > 1 then redis.call('SET', KEYS[2], now, 'PX', ARGV[1]) end
return redis.call('DEL', KEYS[1])`;

/** What Redis answered; null when no right password is on record. */
type SharedTries = Tries & { forgottenAtMs?: number | null };

async function takeShared(link: Link, key: string, limit: number): Promise<SharedTries> {
  const askedAtMs = Date.now(); // not later: this process must not make anybody wait longer than Redis does
  const args = [key, `${key}:forgotten`, limit, FIRST_DELAY_MS, LONGEST_DELAY_MS, WINDOW_MS];
  const answer = (await link.redis.call('EVAL', TAKE_TRY, 2, ...args)) as number[];
  const [count = 0, waitMs = 0, refusals = 0, ttlMs = 0, forgottenAgoMs = -1] = answer;
  const forgottenAtMs = forgottenAgoMs < 0 ? null : askedAtMs - forgottenAgoMs;
  const [waitUntilMs, expiresAtMs] = [askedAtMs + waitMs, askedAtMs + ttlMs];
  return { count, waitUntilMs, refusals, expiresAtMs, takenAtMs: askedAtMs, forgottenAtMs };
}

async function forgetShared(link: Link, key: string): Promise<void> {
  await link.redis.call('EVAL', FORGET, 2, key, `${key}:forgotten`, WINDOW_MS + LONGEST_DELAY_MS);
}

/** The hash keeps addresses out of Redis, where they would outlive what people were told about them. */
function keyOf(namespace: string, guesser: Guesser): string {
  return `${namespace}:limits:login-failures:${createHash('sha256').update(guesser).digest('hex')}`;
}
