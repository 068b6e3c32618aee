import type { RetryOptions } from './definition.ts';
import type { StepError } from './events.ts';

/** What the host uses for nodes that say nothing: WORKFLOW_RETRY_ATTEMPTS and WORKFLOW_RETRY_BACKOFF_MS. */
export type RetryDefaults = { readonly maxAttempts: number; readonly backoffMs: number };

/** A complete policy. Times in milliseconds; `maxAttempts` counts the first attempt; `on` null means any code. */
export type RetryPolicy = {
  readonly maxAttempts: number;
  readonly backoffMs: number;
  readonly factor: number;
  readonly maxBackoffMs: number;
  readonly hasJitter: boolean;
  readonly on: readonly string[] | null;
};

const DEFAULT_FACTOR = 2;
const DEFAULT_MAX_BACKOFF_MS = 3_600_000;

export function resolveRetry(options: RetryOptions | undefined, defaults: RetryDefaults): RetryPolicy {
  return {
    maxAttempts: options?.maxAttempts ?? defaults.maxAttempts,
    backoffMs: options?.backoffMs ?? defaults.backoffMs,
    factor: options?.factor ?? DEFAULT_FACTOR,
    maxBackoffMs: options?.maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS,
    hasJitter: options?.jitter ?? true,
    on: options?.on ?? null,
  };
}

/** True when an attempt that failed like this is followed by another one. `on` narrows, it never adds. */
export function isRetried(policy: RetryPolicy, attempt: number, error: StepError): boolean {
  return error.retryable && attempt < policy.maxAttempts && (policy.on === null || policy.on.includes(error.code));
}

/**
 * Milliseconds to wait after attempt number `attempt` failed: `backoffMs`, multiplied by `factor` for each attempt
 * before, at most `maxBackoffMs`. With jitter it is a point between half of that and all of it, chosen by `random` in
 * [0, 1), so that runs that failed together do not come back together. A service that asks for a longer pause gets it,
 * up to `maxBackoffMs`: otherwise one header could park a run for years.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, error: StepError, random: number): number {
  const full = Math.min(policy.backoffMs * policy.factor ** (attempt - 1), policy.maxBackoffMs);
  const delay = policy.hasJitter ? full * (0.5 + random / 2) : full;
  const asked = Math.min(error.retryAfterMs ?? 0, policy.maxBackoffMs);
  return Math.round(Math.max(delay, asked));
}
