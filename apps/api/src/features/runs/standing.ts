import type { RunStatus } from '@millrace/db/schema/runs';
import type { Standing } from '@millrace/shared/contracts/runs';
import { type KeyedStep, listSteps } from '@millrace/workflow/run-status';
import type { RunState, StepState } from '@millrace/workflow/state';

/** What there is to know about a run that has not ended. Times are epoch milliseconds of the database. */
export interface StandingFacts {
  nowMs: number;
  status: RunStatus;
  /** Null before the first record. */
  state: RunState | null;
  createdAt: number;
  nextAttemptAt: number | null;
  leaseUntil: number | null;
  /** Why no worker is woken for it; `limit`: how many runs of its workflow, or of its key, may be at work at a time. */
  held: { by: 'organization' | 'concurrency'; limit: number | null; key: string | null } | null;
  /** Somebody said something to it that was not taken in yet. */
  hasUnread: boolean;
  /** Steps that were begun and have not ended, the first begun first. */
  openSteps: readonly { stepKey: string; startedAt: number | null }[];
  /** How long the next sweep may take to come. */
  sweepMs: number;
  /** Workers that listen; null: the queue cannot be reached. */
  workerCount: number | null;
}

type Rule = (facts: StandingFacts) => Standing | null;

/** The first rule that answers counts: what holds the run up comes before what it would be doing. */
const RULES: readonly Rule[] = [
  executing,
  workerLost,
  held,
  queueUnavailable,
  noWorker,
  waitingForWorker,
  waitingForStep,
  waitingForTime,
];

const MOST_STEPS = 20;

/** Why a run stands where it does. Null once it has ended. */
export function standingOf(facts: StandingFacts): Standing | null {
  if (['succeeded', 'failed', 'cancelled'].includes(facts.status)) return null;
  for (const rule of RULES) {
    const standing = rule(facts);
    if (standing !== null) return standing;
  }
  return { code: 'WAITING_FOR_WORKER', message: 'A worker is about to look at the run.', until: null, stepIds: [] };
}

function executing({ status, leaseUntil, nowMs, openSteps }: StandingFacts): Standing | null {
  if (status !== 'running' || leaseUntil === null || leaseUntil < nowMs) return null;
  const [first] = openSteps;
  const since = first?.startedAt ? ` since ${clockTime(first.startedAt)}` : '';
  const message = first
    ? `A worker executes ${named(openSteps.map(({ stepKey }) => stepKey))}${since}.`
    : 'A worker executes the run.';
  return {
    code: 'EXECUTING',
    message,
    until: null,
    stepIds: openSteps.slice(0, MOST_STEPS).map(({ stepKey }) => stepKey),
  };
}

function workerLost({ status, leaseUntil, nowMs, workerCount, openSteps, sweepMs }: StandingFacts): Standing | null {
  if (status !== 'running' || leaseUntil === null) return null;
  const stepIds = openSteps.slice(0, MOST_STEPS).map(({ stepKey }) => stepKey);
  const base = { code: 'WORKER_LOST', stepIds } as const;
  const lost = `Its worker was lost ${seconds(nowMs - leaseUntil)} ago; another one takes over`;
  if (workerCount === null) return { ...base, message: `${lost} once the queue can be reached again.`, until: null };
  if (workerCount === 0) return { ...base, message: `${lost} once one is started.`, until: null };
  return { ...base, message: `${lost} in about ${seconds(sweepMs)}.`, until: isoTime(nowMs + sweepMs) };
}

function held({ held: hold }: StandingFacts): Standing | null {
  if (hold === null) return null;
  const base = { until: null, stepIds: [] };
  if (hold.by === 'organization')
    return {
      ...base,
      code: 'WAITING_FOR_TURN',
      message: 'Waiting for its turn behind other runs of the organization.',
    };
  const { limit, key } = hold;
  const most = `${limit === null ? 'as many' : `${limit} of ${limit}`} runs of its workflow${sayKey(key)}`;
  return {
    ...base,
    code: 'CONCURRENCY_LIMIT',
    message: `Waiting for another run to end: ${most} are at work.`,
  };
}

function sayKey(key: string | null): string {
  if (key === null || key === '') return '';
  // One that is too long to be shown stands there as its hash; the marks tell kinds of keys apart.
  return key.startsWith('sha256:') ? ' with its key' : ` with the key ${key.replace(/^(json|text):/, '')}`;
}

function queueUnavailable(facts: StandingFacts): Standing | null {
  if (!isDue(facts) || facts.workerCount !== null) return null;
  const message =
    'The queue cannot be reached, so no worker hears of the run. It goes on by itself once the queue is back.';
  return { code: 'QUEUE_UNAVAILABLE', message, until: null, stepIds: [] };
}

function noWorker(facts: StandingFacts): Standing | null {
  if (!isDue(facts) || facts.workerCount !== 0) return null;
  const message = `No worker is connected. The run has been due for ${seconds(dueForMs(facts))}.`;
  return { code: 'NO_WORKER', message, until: null, stepIds: [] };
}

function waitingForWorker(facts: StandingFacts): Standing | null {
  if (!isDue(facts)) return null;
  const message = `Waiting for a worker for ${seconds(dueForMs(facts))}: those that are connected are busy with other runs.`;
  return { code: 'WAITING_FOR_WORKER', message, until: null, stepIds: [] };
}

/** Nobody owns it, and somebody could: only a worker is missing. */
function isDue({ status, nextAttemptAt, nowMs, hasUnread }: StandingFacts): boolean {
  if (hasUnread) return true;
  if (nextAttemptAt !== null) return nextAttemptAt <= nowMs;
  return status !== 'waiting';
}

function dueForMs({ nowMs, nextAttemptAt, createdAt }: StandingFacts): number {
  return nowMs - (nextAttemptAt !== null && nextAttemptAt <= nowMs ? nextAttemptAt : createdAt);
}

type Waiting = Extract<StepState, { status: 'waiting' }>;

const WAITS: readonly { for: Waiting['for']; code: Standing['code']; what: string }[] = [
  {
    for: 'decision',
    code: 'WAITING_FOR_DECISION',
    what: 'Nobody knows what became of the last attempt; somebody decides about',
  },
  { for: 'approval', code: 'WAITING_FOR_APPROVAL', what: 'Waiting for somebody to answer' },
  { for: 'webhook', code: 'WAITING_FOR_WEBHOOK', what: 'Waiting for a call to the address of' },
  { for: 'subworkflow', code: 'WAITING_FOR_RUN', what: 'Waiting for the end of the run that was started by' },
  { for: 'retry', code: 'WAITING_FOR_RETRY', what: 'The next attempt of' },
  { for: 'timer', code: 'WAITING_FOR_TIME', what: 'Waiting in' },
];

function waitingForStep({ state }: StandingFacts): Standing | null {
  const open = state === null ? [] : listSteps(state);
  for (const { for: awaited, code, what } of WAITS) {
    const steps = open.filter(({ step }) => step.status === 'waiting' && step.for === awaited);
    if (steps.length === 0) continue;
    const stepKeys = steps.map(({ stepKey }) => stepKey);
    const dueAt = firstDueAt(steps);
    const when = dueAt === null ? '' : ` ${awaited === 'retry' ? 'is at' : 'until'} ${clockTime(dueAt)}`;
    const until = dueAt === null ? null : isoTime(dueAt);
    return { code, message: `${what} ${named(stepKeys)}${when}.`, until, stepIds: stepKeys.slice(0, MOST_STEPS) };
  }
  return null;
}

function waitingForTime({ nextAttemptAt }: StandingFacts): Standing | null {
  if (nextAttemptAt === null) return null;
  const message = `Waiting until ${clockTime(nextAttemptAt)}.`;
  return { code: 'WAITING_FOR_TIME', message, until: isoTime(nextAttemptAt), stepIds: [] };
}

function firstDueAt(steps: readonly KeyedStep[]): number | null {
  const times = steps.flatMap(({ step }) => (step.status === 'waiting' ? (step.dueAt ?? []) : []));
  return times.length === 0 ? null : Math.min(...times);
}

function named(stepKeys: readonly string[]): string {
  const [first] = stepKeys;
  return stepKeys.length === 1 ? `step ${first}` : `${stepKeys.length} steps (${first} first)`;
}

function seconds(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  if (total < 120) return `${total} s`;
  return total < 7_200 ? `${Math.round(total / 60)} min` : `${Math.round(total / 3_600)} h`;
}

/** Whoever shows it in another zone has `until`. */
function clockTime(ms: number): string {
  return `${isoTime(ms).slice(0, 19).replace('T', ' ')} UTC`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
