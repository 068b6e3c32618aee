import { type AttemptConsumer, consumeAttempts } from '@millrace/queue/attempts';
import { type Bell, type BellName, listenForBell } from '@millrace/queue/bell';
import { type ConsumerProblem, consumeRuns, type RunConsumer } from '@millrace/queue/consumer';
import { consumeStepTests, type StepTestConsumer } from '@millrace/queue/step-tests';
import { dependencyFailed, jobRejected } from '@millrace/shared/events';
import { messageOf } from '@millrace/shared/message-of';
import type { Logger } from 'pino';
import type { Deps } from './deps.ts';
import { executeAttempt } from './jobs/execute-attempt.ts';
import { executeRun } from './jobs/execute-run.ts';
import { testStep } from './jobs/test-step.ts';

/** Begins to take wake-ups of runs. Redis may come up later. */
export function consumeJobs(deps: Deps): RunConsumer {
  const { config, log } = deps;
  return consumeRuns({
    redisUrl: config.REDIS_URL,
    queueName: config.WORKFLOW_QUEUE_NAME,
    concurrency: config.WORKFLOW_QUEUE_CONCURRENCY,
    handle: (wake) => executeRun(deps, wake),
    onProblem: (problem) => reportProblem(log, problem),
  });
}

/** Begins to answer tests of single steps, beside the runs. */
export function answerStepTests(deps: Deps): StepTestConsumer {
  return consumeStepTests({
    redisUrl: deps.config.REDIS_URL,
    queueName: deps.config.WORKFLOW_QUEUE_NAME,
    handle: (test) => testStep(deps, test),
    onError: (error) => jobRejected(deps.log, { jobName: 'step.test', error: error.message }),
  });
}

/** Offered attempts that one process executes at a time: a run with many is spread over several, whichever is faster. */
const MOST_OFFERED_ATTEMPTS = 25;

/** Begins to execute attempts that the owners of runs offer to all workers, beside the runs. */
export function takeAttempts(deps: Deps): AttemptConsumer {
  return consumeAttempts({
    redisUrl: deps.config.REDIS_URL,
    queueName: deps.config.WORKFLOW_QUEUE_NAME,
    concurrency: MOST_OFFERED_ATTEMPTS,
    handle: (offer) => executeAttempt(deps, offer),
    onError: (error) => jobRejected(deps.log, { jobName: 'attempt.execute', error: error.message }),
  });
}

/** Begins to hear at once what there is to know of the runs that this process owns, and of attempts that it executes. */
export function hearBells({ config, leases, attemptLeases, outcomeBells }: Deps): Bell[] {
  const listen = (name: BellName, onRing: (runId: string) => void) =>
    listenForBell({ redisUrl: config.REDIS_URL, queueName: config.WORKFLOW_QUEUE_NAME, name, onRing });
  return [
    listen('signals', (runId) => leases.ring(runId)),
    listen('outcomes', (runId) => outcomeBells.get(runId)?.()),
    listen('executors', (runId) => attemptLeases.ring(runId)),
  ];
}

function reportProblem(log: Logger, problem: ConsumerProblem): void {
  switch (problem.type) {
    case 'payload':
      jobRejected(log, { jobName: problem.name, error: problem.reason });
      break;
    case 'handler': {
      const { error } = problem;
      jobRejected(log, { jobName: 'run.execute', error: messageOf(error) });
      break;
    }
    case 'redis':
      dependencyFailed(log, { dependency: 'redis', error: problem.error.message });
      break;
    default:
      problem satisfies never;
  }
}
