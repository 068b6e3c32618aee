import { Cron } from 'croner';
import { z } from 'zod';
import { isRecord } from '../json.ts';
import type { TriggerKind } from './kind.ts';

/** When runs start, and what becomes of times that passed while nothing could start one. */
export type Schedule = { readonly expression: string; readonly timeZone: string; readonly catchUp: CatchUp };
export type CatchUp = 'none' | 'last' | 'all';

/** A tick found at most this late is on time: machines restart and are slow. Only earlier ones were missed. */
export const ON_TIME_MS = 10_000;
/** Most missed ticks that `all` makes up for; the newest ones. */
export const MAX_CAUGHT_UP = 100;
/** Looking at one past tick takes about 0.1 ms, so their number is known up to here only. */
const MAX_COUNTED = 1_000;

/** No `?`: it would stand for the time at which the expression happens to be read. */
const FIELD = /^[0-9A-Za-z*,/#+-]+$/;
/** A name, not an offset such as +02:00, which Intl takes as well and which knows no summer time. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;
/** Any moment will do: it is asked whether there is a tick at all. */
const EPOCH = new Date(0);

const Config = z.strictObject({
  expression: z
    .string()
    .max(200)
    .superRefine((expression, context) => {
      const message = faultOf(expression);
      if (message !== null) {
        context.addIssue({ code: 'custom', message });
      }
    }),
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'There is no time zone of this name; write it like Europe/Berlin.')
    .default('UTC'),
  catchUp: z.enum(['none', 'last', 'all']).default('last'),
});

/** Starts a run whenever a cron expression says so, by the clock of PostgreSQL. */
export const cron = {
  schema: z.strictObject({ type: z.literal('trigger.cron'), config: Config }),
} satisfies TriggerKind;

/** The schedule of a published document, null when something else starts its runs. */
export function scheduleOf(definition: unknown): Schedule | null {
  const trigger = cron.schema.safeParse(isRecord(definition) ? definition.trigger : null);
  return trigger.data?.config ?? null;
}

/** The first `count` ticks after `afterMs` (epoch milliseconds), in order; fewer when there are no more. */
export function nextTicks(schedule: Schedule, afterMs: number, count: number): Date[] {
  return read(schedule.expression, schedule.timeZone).nextRuns(count, new Date(afterMs));
}

export type DueTicks = {
  /** Each of these gets a run, oldest first. */
  readonly ticks: readonly Date[];
  /** Null when there is no further tick. */
  readonly next: Date | null;
  /** Missed ticks that `all` could not make up for, known up to 900. */
  readonly dropped: number;
};

/**
 * What to do about a schedule that was waiting for the tick at `sinceMs` when it is `nowMs` (epoch milliseconds,
 * `sinceMs` <= `nowMs`). Ticks that are on time get a run each; of the missed ones `none` drops all, `last` keeps the
 * latest, `all` the newest 100.
 */
export function dueTicks(schedule: Schedule, sinceMs: number, nowMs: number): DueTicks {
  const job = read(schedule.expression, schedule.timeZone);
  const onTimeFromMs = Math.max(sinceMs, nowMs - ON_TIME_MS);
  const missed = findMissed(job, schedule.catchUp, sinceMs, onTimeFromMs);
  const onTime: Date[] = [];
  let next = job.nextRun(new Date(onTimeFromMs - 1_000)); // strictly after it, in whole seconds
  while (next !== null && next.getTime() <= nowMs) {
    if (next.getTime() >= onTimeFromMs) {
      onTime.push(next);
    }
    next = job.nextRun(next);
  }
  const caughtUp = missed.slice(0, MAX_CAUGHT_UP).reverse();
  return { ticks: [...caughtUp, ...onTime], next, dropped: missed.length - caughtUp.length };
}

/** Newest first, as many as are of interest. */
function findMissed(job: Cron, catchUp: CatchUp, sinceMs: number, beforeMs: number): Date[] {
  const most = { none: 0, last: 1, all: MAX_COUNTED }[catchUp];
  const missed: Date[] = [];
  let before = new Date(beforeMs);
  while (missed.length < most) {
    const [tick] = job.previousRuns(1, before);
    if (tick === undefined || tick.getTime() < sinceMs) {
      break;
    }
    missed.push(tick);
    before = tick;
  }
  return missed;
}

/**
 * Five fields, six with seconds. A fixed time that summer time skips happens right after the gap, and one that occurs
 * twice happens once, lists such as `30 2,14` included; `*` and steps follow the clock on the wall.
 */
function read(expression: string, timeZone: string): Cron {
  return new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' });
}

/** Null for an expression that will do. */
function faultOf(expression: string): string | null {
  const fields = expression.trim().split(/\s+/);
  if (fields.length < 5 || fields.length > 6 || !fields.every((field) => FIELD.test(field))) {
    return 'A cron expression has five fields, or six with seconds, like */5 * * * *.';
  }
  try {
    const hasTick = read(expression, 'UTC').nextRun(EPOCH) !== null;
    return hasTick ? null : 'This cron expression never comes true.';
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
  }
}

function isTimeZone(name: string): boolean {
  if (!ZONE_NAME.test(name)) {
    return false;
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
