import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { openQueue, type RunQueue } from '@millrace/queue/queue';
import { openStepTester, type StepTester } from '@millrace/queue/step-tests';
import type { ApiConfig } from '@millrace/shared/config';
import { dependencyFailed } from '@millrace/shared/events';
import { loadSigningKeys, type SigningKeys } from '@millrace/shared/tokens';
import type { Logger } from 'pino';
import { openProviders, type ProviderClients } from './features/oauth/providers.ts';

/** Everything the use cases need from outside, opened once and passed first. */
export interface Deps {
  config: ApiConfig;
  log: Logger;
  db: Database;
  queue: RunQueue;
  stepTester: StepTester;
  signingKeys: SigningKeys;
  /** The providers people can sign in with. */
  oauth: ProviderClients;
}

const POOL_SIZE = 20;

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
  const oauth = openProviders(config);
  return { config, log, db, queue: openQueue(redis), stepTester: openStepTester(redis), signingKeys, oauth };
}

export async function closeDeps(deps: Deps): Promise<void> {
  await Promise.all([deps.queue.close(), deps.stepTester.close()]);
  await closeDatabase(deps.db);
}
