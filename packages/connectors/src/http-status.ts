import { ActionError, type HttpResponse } from './sdk.ts';

/**
 * For actions that treat every answer but 2xx as a failure.
 * @throws ActionError HTTP_STATUS with the status and the beginning of the answer; worth a retry for 408, 425, 429 and 5xx.
 */
export function assertSuccess(response: HttpResponse, nowMs: number): void {
  if (response.status >= 200 && response.status < 300) return;
  const retryable = RETRYABLE_STATUSES.has(response.status) || response.status >= 500;
  const retryAfterMs = retryable ? parseRetryAfter(response.headers['retry-after'], nowMs) : undefined;
  const excerpt = excerptOf(response.body);
  throw new ActionError(
    'HTTP_STATUS',
    `The server answered ${response.status}${excerpt === '' ? ' without a body.' : `: ${excerpt}`}`,
    { retryable, isAnswer: !response.isOfOtherRequest, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  );
}

/**
 * `Retry-After` (RFC 9110, section 10.2.3: seconds, or a date) as milliseconds from now, at most a week; undefined when
 * absent or unreadable.
 */
export function parseRetryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  if (Number.isNaN(ms) || !/^(\d+|[a-z]{3,9},? .*)$/i.test(text)) return undefined;
  return Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS);
}

const RETRYABLE_STATUSES = new Set([408, 425, 429]);
/** The longest pause that a step may allow with `maxBackoffMs`; the engine holds it to what this one does. */
const LONGEST_RETRY_AFTER_MS = 7 * 24 * 3_600_000;
const EXCERPT_CHARACTERS = 200;

/** One line of readable text: the message is stored and shown in lists. */
function excerptOf(body: Uint8Array): string {
  const start = new TextDecoder().decode(body.subarray(0, EXCERPT_CHARACTERS * 4));
  const line = start.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ').trim();
  return line.length > EXCERPT_CHARACTERS ? `${line.slice(0, EXCERPT_CHARACTERS).toWellFormed()}…` : line;
}
