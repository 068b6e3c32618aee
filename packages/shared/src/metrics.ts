/**
 * Every metric of the programs, named once. Seconds, bytes and counts; labels take few fixed values, so never an id, an
 * address or a name that a tenant chose. Counters of what is logged are fed by events.ts, where the line is written.
 * docs/metrics.md describes each; a test holds the two together.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** One for the process, like the process' own figures. */
export const registry = new Registry();

const MOMENTS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Runs may wait for days. */
const SPANS_OF_RUNS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 3600, 21_600, 86_400];

const SIZES = [1, 2, 5, 10, 20, 50, 100];

export const runsEnqueued = counter('runs_enqueued_total', 'Runs that were accepted.');
export const runsStarted = counter('runs_started_total', 'Runs that began to execute for the first time.');
export const runsFinished = counter('runs_finished_total', 'Runs that ended, by how.', ['status']);
for (const status of ['succeeded', 'failed', 'cancelled']) runsFinished.inc({ status }, 0);
export const runsPaused = counter('runs_paused_total', 'Pauses of runs: until a retry is due, or for something else.', [
  'reason',
]);
export const leasesLost = counter('run_leases_lost_total', 'Runs that a worker had to stop because it lost its lease.');
export const runsSwept = counter('runs_swept_total', 'Runs that the sweeper of this process woke.');
export const runsPurged = counter('runs_purged_total', 'Old runs that were removed because their retention was over.');
export const jobsRejected = counter('jobs_rejected_total', 'Jobs that could not be read, or whose handler failed.');
export const stepRetries = counter('step_retries_total', 'Attempts of steps that are to be repeated, by step type.', [
  'type',
]);
export const ticksDropped = counter(
  'schedule_ticks_dropped_total',
  'Missed times of schedules beyond those made up for.',
);
export const schedulesFailed = counter('schedule_failures_total', 'Schedules that could not be read.');
export const mails = counter('mails_total', 'Attempts to send a mail.', ['outcome']);
export const failureNotices = counter('failure_notices_total', 'Attempts to tell of failed runs.', [
  'channel',
  'outcome',
]);
export const hooksRefused = counter('hooks_refused_total', 'Webhook requests without a valid proof, by reason.', [
  'reason',
]);
export const rateLimitsReached = counter('rate_limits_reached_total', 'Keys that reached a limit, once a window.', [
  'class',
]);
export const signInsFailed = counter('sign_ins_failed_total', 'Logins that were refused, by reason.', ['reason']);
export const queueFailures = counter('queue_unavailable_total', 'Wake-ups that Redis did not take.');
export const dependencyFailures = counter('dependency_failures_total', 'Troubles with what the program depends on.', [
  'dependency',
]);

export const startDelay = histogram('run_start_delay_seconds', 'From accepting a run to its first start.', MOMENTS);
export const runDuration = histogram(
  'run_duration_seconds',
  'From the first start of a run to its end.',
  SPANS_OF_RUNS,
  ['status'],
);
export const runAge = histogram('run_age_at_end_seconds', 'From accepting a run to its end.', SPANS_OF_RUNS, [
  'status',
]);
export const stepDuration = histogram('step_duration_seconds', 'Attempts of actions and pure steps.', MOMENTS, [
  'type',
  'outcome',
]);
export const httpDuration = histogram('http_request_duration_seconds', 'Requests to the API.', MOMENTS, [
  'route',
  'method',
  'status_class',
]);
export const expressionDuration = histogram(
  'expression_duration_seconds',
  'Evaluations in a child process, waiting for one included.',
  MOMENTS,
  ['outcome'],
);
export const runWriteBatch = histogram('run_write_batch_items', 'Runs that one database call wrote for.', SIZES, [
  'call',
]);

export const queueJobs = gauge('queue_jobs', 'Wake-ups in the queue by state; absent while Redis is away.', ['state']);
export const runsQueued = gauge(
  'runs_queued',
  'Queued runs: admitted ones that a worker may take, held ones that wait for their turn; at most 100,000 of each.',
  ['state'],
);
export const runsHeld = gauge('runs_held', 'Runs that this worker owns now.');
export const poolConnections = gauge('db_pool_connections', 'Connections of the pool, and callers that wait for one.', [
  'state',
]);

function counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
  return new Counter({ name: `millrace_${name}`, help, labelNames, registers: [registry] });
}

function gauge<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> {
  return new Gauge({ name: `millrace_${name}`, help, labelNames, registers: [registry] });
}

function histogram<Label extends string = never>(
  name: string,
  help: string,
  buckets: number[],
  labelNames: Label[] = [],
): Histogram<Label> {
  return new Histogram({ name: `millrace_${name}`, help, buckets, labelNames, registers: [registry] });
}
