import { type Bell, listenForBell } from '@millrace/queue/bell';
import { type ConsumerProblem, consumeRuns, type RunConsumer } from '@millrace/queue/consumer';
import { consumeStepTests, type StepTestConsumer } from '@millrace/queue/step-tests';
import { dependencyFailed, jobRejected } from '@millrace/shared/events';
import type { Logger } from 'pino';
import type { Deps } from './deps.ts';
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

/** Begins to hear at once of signals for the runs that this process owns. */
export function hearSignals(deps: Deps): Bell {
  return listenForBell({
    redisUrl: deps.config.REDIS_URL,
    queueName: deps.config.WORKFLOW_QUEUE_NAME,
    name: 'signals',
    onRing: (runId) => deps.leases.ring(runId),
  });
}

function reportProblem(log: Logger, problem: ConsumerProblem): void {
  switch (problem.type) {
    case 'payload':
      jobRejected(log, { jobName: problem.name, error: problem.reason });
      break;
    case 'handler': {
      const { error } = problem;
      jobRejected(log, { jobName: 'run.execute', error: error instanceof Error ? error.message : String(error) });
      break;
    }
    case 'redis':
      dependencyFailed(log, { dependency: 'redis', error: problem.error.message });
      break;
    default:
      problem satisfies never;
  }
}
