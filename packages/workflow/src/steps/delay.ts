import { z } from 'zod';
import { MAX_WAIT_MS } from '../definition.ts';
import { isRecord, type Json } from '../json.ts';
import { hasExpression } from '../template.ts';
import { parseDurationMs, parseTimeMs } from '../times.ts';
import type { StepKind, WaitResult } from './kind.ts';

const INVALID = 'DELAY_INVALID';
const HOW_LONG = 'A duration is milliseconds or text such as "PT90S", "PT1H30M" or "P2D", at most 366 days.';
const UNTIL_WHEN = 'A time is written with its zone, such as "2026-05-01T09:00:00Z", at most 366 days ahead.';

const Duration = z.union([z.int().min(0).max(MAX_WAIT_MS), textThat((text) => isShort(parseDurationMs(text)))], {
  error: HOW_LONG,
});
const Time = textThat((text) => parseTimeMs(text) !== null, UNTIL_WHEN);

/** Waits for a time span, or until a time; a time that has passed is no wait. Its output is `{ until }`. */
export const delay: StepKind = {
  type: 'delay',
  config: z
    .strictObject({ for: Duration.optional(), until: Time.optional() })
    .refine((config) => (config.for === undefined) !== (config.until === undefined), {
      message: 'A delay has either "for" or "until".',
    }),
  invalidCode: INVALID,
  literalKeys: [],
  branches: [],
  isOutput: false,
  wait: ({ config, at }) => {
    const given = isRecord(config) ? config : {};
    return given.for === undefined ? waitUntil(given.until, at) : waitFor(given.for, at);
  },
};

function waitFor(value: Json | undefined, at: number): WaitResult {
  const duration = typeof value === 'string' ? parseDurationMs(value) : value;
  return typeof duration === 'number' && isShort(duration)
    ? { ok: true, for: 'timer', dueAt: at + Math.round(duration) }
    : refuse(HOW_LONG);
}

function waitUntil(value: Json | undefined, at: number): WaitResult {
  const dueAt = typeof value === 'string' ? parseTimeMs(value) : null;
  return dueAt !== null && dueAt - at <= MAX_WAIT_MS ? { ok: true, for: 'timer', dueAt } : refuse(UNTIL_WHEN);
}

function refuse(message: string): WaitResult {
  return { ok: false, error: { code: INVALID, message, retryable: false } };
}

function isShort(duration: number | null): boolean {
  return duration !== null && duration >= 0 && duration <= MAX_WAIT_MS;
}

/** Text with an expression is judged when the step runs. */
function textThat(isValid: (text: string) => boolean, message?: string): z.ZodType<string> {
  return z.string().refine((text) => hasExpression(text) || isValid(text), { error: message });
}
