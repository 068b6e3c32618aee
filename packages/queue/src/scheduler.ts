import {
  dependencyFailed,
  type EventLog,
  type FiredSchedules,
  queueUnavailable,
  type RunRef,
  tellFiredSchedules,
} from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { messageOf } from '@millrace/shared/message-of';
import type { RunWake } from './jobs.ts';

/** Organizations that get a turn in one pass: bounded work, so that `stop` is heard and waking is not put off. */
const ORGS_AT_ONCE = 50;
/** For schedules that another process published; those of this one announce themselves by `poke`. */
const LONGEST_PAUSE_MS = 30_000;
/** After a failure, and while another process fires what is due. */
const RETRY_MS = 1_000;
const FIRST_ORG = '00000000-0000-0000-0000-000000000000';

export interface SchedulerOptions {
  findDueOrgs: (afterOrgId: string, limit: number) => Promise<string[]>;
  /** Stores the runs of an organization's due ticks; handles a bounded number of schedules, so it may need more turns. */
  fireSchedules: (orgId: string) => Promise<FiredSchedules & { handledCount: number }>;
  /** Milliseconds until the earliest tick by the database's clock; null when there is none. */
  msUntilNextTick: () => Promise<number | null>;
  wakeRun: (wake: RunWake) => Promise<void>;
  log: EventLog;
}

export interface Scheduler {
  /** Until then nothing is fired. */
  start(): void;
  /** Says that a schedule was just committed: its first tick may come before this process meant to look again. */
  poke(): void;
  /** Lets the turn under way finish and fires nothing more. */
  stop(): Promise<void>;
}

/**
 * Fires schedules when their time has come: sleeps until the earliest tick, at most 30 s. Runs in every API and worker
 * process and tells in the log what came of it; the rows decide who fires what, and only differences of time come from this process's (monotonic) clock.
 */
export function openScheduler(options: SchedulerOptions): Scheduler {
  let state: 'idle' | 'running' | 'stopped' = 'idle';
  let isPoked = false;
  let timer: NodeJS.Timeout | undefined;
  let passing: Promise<void> | undefined;
  const pass = createPass(options, () => state === 'running');
  const loop = async () => {
    let pauseMs = 0;
    while (state === 'running' && (isPoked || pauseMs === 0)) {
      isPoked = false;
      pauseMs = await pass();
    }
    passing = undefined;
    if (state === 'running') timer = setTimeout(wake, pauseMs).unref();
  };
  const wake = () => {
    if (state !== 'running') return;
    clearTimeout(timer);
    isPoked = true;
    passing ??= loop();
  };
  return {
    start: () => {
      if (state !== 'idle') return;
      state = 'running';
      wake();
    },
    poke: wake,
    stop: async () => {
      state = 'stopped';
      clearTimeout(timer);
      await passing;
    },
  };
}

/** One turn for some organizations; answers how long to pause. Never throws. */
function createPass(options: SchedulerOptions, isRunning: () => boolean): () => Promise<number> {
  let after = FIRST_ORG;
  return async () => {
    const waking: Promise<void>[] = []; // beside the next turns: it takes long while Redis is away
    let handled = 0;
    try {
      for (const orgId of await options.findDueOrgs(after, ORGS_AT_ONCE)) {
        if (!isRunning()) break;
        after = orgId;
        handled += await takeTurn(options, orgId, waking);
      }
      await Promise.all(waking);
      return pauseOf(await options.msUntilNextTick(), handled > 0);
    } catch (error) {
      tellFailure(options, error);
      return RETRY_MS;
    }
  };
}

/** Answers how many schedules it handled. What goes wrong for one organization is not the business of the next. */
async function takeTurn(options: SchedulerOptions, orgId: string, waking: Promise<void>[]): Promise<number> {
  try {
    const fired = await options.fireSchedules(orgId);
    tellFiredSchedules(options.log, fired);
    const awake = fired.runs.filter(({ isHeld }) => !isHeld);
    if (awake.length > 0) failPoint('schedule.fired-before-wake');
    if (awake.length > 0) waking.push(wakeAll(options, awake));
    const { handledCount } = fired;
    return handledCount;
  } catch (error) {
    tellFailure(options, error);
    return 0;
  }
}

/** Whom nobody could be woken for is stored all the same: the sweeper finds it. */
async function wakeAll({ wakeRun, log }: SchedulerOptions, runs: readonly RunRef[]): Promise<void> {
  const wake = ({ orgId, workflowId, runId }: RunRef) =>
    wakeRun({ orgId, runId }).catch((error: unknown) => {
      queueUnavailable(log, { requestId: null, userId: null, orgId, workflowId, runId, error: messageOf(error) });
    });
  await Promise.all(runs.map(wake));
}

/** 0: there is more to do right away. A timer that rings early would find nothing, so it rounds up. */
function pauseOf(untilNextMs: number | null, isProgress: boolean): number {
  if (untilNextMs === null) return LONGEST_PAUSE_MS;
  if (untilNextMs > 0) return Math.min(Math.ceil(untilNextMs), LONGEST_PAUSE_MS);
  return isProgress ? 0 : RETRY_MS;
}

function tellFailure({ log }: SchedulerOptions, error: unknown): void {
  dependencyFailed(log, { dependency: 'scheduler', error: messageOf(error) });
}
