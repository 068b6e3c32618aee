import { type ConsumerProblem, consumeRuns, type RunConsumer } from '@millrace/queue/consumer';
import { dependencyFailed, jobRejected } from '@millrace/shared/events';
import type { Logger } from 'pino';
import type { Deps } from './deps.ts';
import { executeRun } from './jobs/execute-run.ts';

/** Begins to take jobs and ties each kind to its handler; there is one kind so far. Redis may come up later. */
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
