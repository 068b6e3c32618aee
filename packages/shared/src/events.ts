/**
 * The structured events of the platform: one JSON line each, with fixed names and fields that runbooks, alerts and
 * trace checks rely on. Ids are fields, messages are the event's name; values of runs and secrets never appear.
 * What is counted is counted here, with the line, so the two never disagree; the level of the log does not matter to it.
 */
import * as metrics from './metrics.ts';

/** The part of a pino logger that events need. */
export interface EventLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RunRef {
  orgId: string;
  workflowId: string;
  runId: string;
}

type Level = 'debug' | 'info' | 'warn' | 'error';

/** A function that logs one event and counts it; declared as data so that name, fields and count stand in one place. */
function event<Fields extends object>(name: string, level: Level, count: (fields: Fields) => void = () => {}) {
  return (log: EventLog, fields: Fields): void => {
    count(fields);
    log[level]({ event: name, ...fields }, name);
  };
}

type Request = { requestId: string };
type RunStep = RunRef & { attemptCount: number };

/** Every event of a run has all fields of this kind, so that whoever reads them needs no case for each: null where one says nothing. */
const NOTHING_SAID = { durationMs: null, errorCode: null, nextAttemptAt: null };

function runEvent<Fields extends RunStep>(name: string, level: Level, count: (fields: Fields) => void) {
  const tell = event<Fields>(name, level, count);
  return (log: EventLog, fields: Fields): void => tell(log, { ...NOTHING_SAID, ...fields });
}

type OrgContextHeader = Request & {
  reason: 'ORG_CONTEXT_REQUIRED' | 'INVALID_ORG_CONTEXT';
  userId: string;
  routeOrgId: string;
  headerOrgId: string | null;
  path: string;
  method: string;
};

export const orgContextHeaderFallback = event<OrgContextHeader>('org_context_header_fallback', 'warn');
/** The same in strict mode, where the request was refused: tells which clients a switch to strict has locked out. */
export const orgContextHeaderRefused = event<OrgContextHeader>('org_context_header_refused', 'warn');

export const orgContextAccessDenied = event<Request & { userId: string; orgId: string; path: string; method: string }>(
  'org_context_access_denied',
  'warn',
);

export const oauthCallbackFailed = event<Request & { provider: string; reasonCode: string; path: string }>(
  'oauth_callback_failed',
  'warn',
);

export const invitationAcceptFailed = event<
  Request & { tokenPrefix: string; reasonCode: string; userId: string; path: string }
>('invitation_accept_failed', 'warn');

/** A login that was refused, whoever it was for; the answer never tells which of these it was. */
export const signInFailed = event<
  Request & { reasonCode: 'unknown_address' | 'wrong_password' | 'no_password' | 'disabled'; userId: string | null }
>('sign_in_failed', 'warn', ({ reasonCode }) => metrics.signInsFailed.inc({ reason: reasonCode }));
export const passwordChanged = event<Request & { userId: string; by: 'change' | 'reset' }>('password_changed', 'info');

type MailAttempt = { template: string; mailId: string; attempts: number };
export const mailSent = event<MailAttempt>('mail_sent', 'info', () => metrics.mails.inc({ outcome: 'sent' }));
/** `retryInSec` is null when it was given up for good: at once when the receiving server refused it for good. */
export const mailFailed = event<MailAttempt & { error: string; isRefused: boolean; retryInSec: number | null }>(
  'mail_failed',
  'warn',
  () => metrics.mails.inc({ outcome: 'failed' }),
);

type FailureNotice = { orgId: string; workflowId: string; channel: 'email' | 'webhook'; count: number };
/** An organization was told that `count` runs of a workflow failed. */
export const failureNoticeSent = event<FailureNotice>('failure_notice_sent', 'info', ({ channel }) =>
  metrics.failureNotices.inc({ channel, outcome: 'sent' }),
);
/** `retryInSec` is null when the notice was given up for good. */
export const failureNoticeFailed = event<
  FailureNotice & { error: string; attempts: number; retryInSec: number | null }
>('failure_notice_failed', 'warn', ({ channel }) => metrics.failureNotices.inc({ channel, outcome: 'failed' }));

/** All that stays of an organization: its audit log went with it. */
export const organizationDeleted = event<Request & { orgId: string; userId: string; deleted: Record<string, number> }>(
  'organization_deleted',
  'warn',
);

export const refreshTokenReused = event<Request & { sessionId: string; userId: string }>(
  'refresh_token_reused',
  'warn',
);

/** Somebody reached a limit; once per key and window, so that a flood does not flood the log as well. */
export const rateLimited = event<Request & { class: string; ipAddress: string; path: string; method: string }>(
  'rate_limited',
  'warn',
  (fields) => metrics.rateLimitsReached.inc({ class: fields.class }),
);

/** `userId` is null when a trigger started it, `requestId` when a sweeper made the run of what an earlier request brought. */
export const workflowRunEnqueued = event<RunRef & { requestId: string | null; userId: string | null }>(
  'workflow_run_enqueued',
  'info',
  () => metrics.runsEnqueued.inc(),
);
/** `queuedMs`: milliseconds from accepting the run to its first start; null when it goes on after a pause. */
export const workflowRunStarted = runEvent<RunStep & { queuedMs: number | null }>(
  'workflow_run_started',
  'info',
  ({ queuedMs }) => {
    if (queuedMs === null) return;
    metrics.runsStarted.inc();
    metrics.startDelay.observe(queuedMs / 1000);
  },
);
export const workflowRunRetried = runEvent<RunStep & { errorCode: string; nextAttemptAt: string; stepId: string }>(
  'workflow_run_retried',
  'warn',
  () => metrics.runsPaused.inc({ reason: 'retry' }),
);

/** Milliseconds from the first start, and from accepting the run, to its end. */
type RunEnd = RunStep & { durationMs: number; ageMs: number };

function countEnd(status: 'succeeded' | 'failed' | 'cancelled') {
  return ({ durationMs, ageMs }: RunEnd): void => {
    metrics.runsFinished.inc({ status });
    metrics.runDuration.observe({ status }, durationMs / 1000);
    metrics.runAge.observe({ status }, ageMs / 1000);
  };
}

export const workflowRunSucceeded = runEvent<RunEnd>('workflow_run_succeeded', 'info', countEnd('succeeded'));
/** `nextAttemptAt` null: until something comes from outside, however long that takes. */
export const workflowRunWaiting = runEvent<RunStep & { nextAttemptAt: string | null }>(
  'workflow_run_waiting',
  'info',
  () => metrics.runsPaused.inc({ reason: 'wait' }),
);
export const workflowRunCancelled = runEvent<RunEnd>('workflow_run_cancelled', 'info', countEnd('cancelled'));
export const workflowRunFailed = runEvent<RunEnd & { errorCode: string }>(
  'workflow_run_failed',
  'warn',
  countEnd('failed'),
);

/** A request to a webhook that could not prove where it comes from; its sender hears one answer for all of these. */
export const hookRefused = event<
  Request & {
    orgId: string;
    workflowId: string;
    reasonCode: 'no_secret' | 'no_signature' | 'wrong_signature' | 'wrong_time';
  }
>('hook_refused', 'warn', ({ reasonCode }) => metrics.hooksRefused.inc({ reason: reasonCode }));

/** Nobody could be woken. Null: by no request, of no person; of a whole workflow, or of many. */
export const queueUnavailable = event<{
  requestId: string | null;
  userId: string | null;
  orgId: string;
  workflowId: string | null;
  runId: string | null;
  error: string;
}>('queue_unavailable', 'error', () => metrics.queueFailures.inc());

/** A worker lost its lease: another one owns the run now, so this one stopped writing. */
export const runLeaseLost = event<RunRef>('run_lease_lost', 'warn', () => metrics.leasesLost.inc());
type Schedule = { orgId: string; workflowId: string };
/** Ticks without a run: beyond what `catchUp: "all"` makes up for (900 means 900 or more), or over the limit of queued runs. */
const scheduleTicksDropped = event<Schedule & { count: number }>('schedule_ticks_dropped', 'warn', ({ count }) =>
  metrics.ticksDropped.inc(count),
);
/** A schedule that cannot be read here, say because its time zone is unknown to this Node; it is tried again in an hour. */
const scheduleFailed = event<Schedule & { error: string }>('schedule_failed', 'error', () =>
  metrics.schedulesFailed.inc(),
);

export interface FiredSchedules {
  runs: readonly (RunRef & { isHeld: boolean })[];
  dropped: readonly (Schedule & { count: number })[];
  broken: readonly (Schedule & { error: string })[];
}

/** Tells what the firing of schedules brought, one event each. */
export function tellFiredSchedules(log: EventLog, { runs, dropped, broken }: FiredSchedules): void {
  for (const { isHeld: _, ...run } of runs) workflowRunEnqueued(log, { requestId: null, userId: null, ...run });
  for (const schedule of dropped) scheduleTicksDropped(log, schedule);
  for (const schedule of broken) scheduleFailed(log, schedule);
}

/** What the sweeper woke: runs that were queued without a job, due, or abandoned by their worker. */
export const runsSwept = event<{ count: number }>('runs_swept', 'info', ({ count }) => metrics.runsSwept.inc(count));

/** What was cleared away because it ended longer ago than its organization keeps runs. */
export const runsPurged = event<{ orgId: string; count: number }>('runs_purged', 'info', ({ count }) =>
  metrics.runsPurged.inc(count),
);

export const programStarted = event<{ pid: number; detail?: object }>('program_started', 'info');
export const programStopping = event<{ signal: string }>('program_stopping', 'info');
export const programFailed = event<{ error: string; stack?: string }>('program_failed', 'error');
export const programWarning = event<{ warning: string }>('program_warning', 'warn');
type Dependency =
  | 'postgresql'
  | 'redis'
  | 'sweeper'
  | 'scheduler'
  | 'outbox'
  | 'failure-notices'
  | 'retention'
  | 'traces'
  | 'api';
export const dependencyFailed = event<{ dependency: Dependency; error: string }>(
  'dependency_failed',
  'warn',
  ({ dependency }) => metrics.dependencyFailures.inc({ dependency }),
);
/** A request that ended in a 5xx: the only place where a cause and its stack are written. */
export const requestFailed = event<
  Request & { path: string; method: string; code: string; error: string; stack?: string }
>('request_failed', 'error');
export const jobRejected = event<{ jobName: string; error: string }>('job_rejected', 'error', () =>
  metrics.jobsRejected.inc(),
);
