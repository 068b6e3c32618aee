import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { type Link, openLink } from '@millrace/queue/link';
import { openQueue, type RunQueue } from '@millrace/queue/queue';
import { openStepTester, type StepTester } from '@millrace/queue/step-tests';
import type { ApiConfig } from '@millrace/shared/config';
import { dependencyFailed } from '@millrace/shared/events';
import { loadSigningKeys, type SigningKeys } from '@millrace/shared/tokens';
import type { Logger } from 'pino';
import { type LoginFailures, openLoginFailures } from './features/auth/login-failures.ts';
import { openRateLimits, type RateLimits } from './http/rate-limits.ts';

/** Everything the use cases need from outside, opened once and passed first. */
export interface Deps {
  config: ApiConfig;
  log: Logger;
  db: Database;
  queue: RunQueue;
  stepTester: StepTester;
  /** The connection behind the two counters below. */
  limitsLink: Link;
  rateLimits: RateLimits;
  loginFailures: LoginFailures;
  signingKeys: SigningKeys;
}

const POOL_SIZE = 20;
/** A caller waits this long once when Redis stops answering; after that the limits count without it at once. */
const LIMITS_TIMEOUTS = { commandMs: 200, callMs: 200 };

/** Opens the connections; none of them needs its server to be up yet. Throws when a setting cannot work. */
export async function openDeps(config: ApiConfig, log: Logger): Promise<Deps> {
  const signingKeys = await loadSigningKeys(config.AUTH_SIGNING_KEYS);
  const db = connectDatabase({
    url: config.API_DATABASE_URL,
    poolSize: POOL_SIZE,
    prepared: config.DATABASE_PREPARED,
    applicationName: 'millrace-api',
    onError: (error) => dependencyFailed(log, { dependency: 'postgresql', error: error.message }),
  });
  const redis = { redisUrl: config.REDIS_URL, queueName: config.WORKFLOW_QUEUE_NAME };
  const limitsLink = openLink(config.REDIS_URL, LIMITS_TIMEOUTS);
  return {
    config,
    log,
    db,
    queue: openQueue(redis),
    stepTester: openStepTester(redis),
    signingKeys,
    limitsLink,
    rateLimits: openRateLimits(limitsLink, config, redis.queueName),
    loginFailures: openLoginFailures(limitsLink, config.RATE_LIMIT_LOGIN_FAILURES, redis.queueName),
  };
}

export async function closeDeps(deps: Deps): Promise<void> {
  deps.limitsLink.redis.disconnect();
  await Promise.all([deps.queue.close(), deps.stepTester.close()]);
  await closeDatabase(deps.db);
}
