import { join } from 'node:path';
import { parseEgressRules } from '@millrace/connectors/egress';
import { createSafeFetch } from '@millrace/connectors/safe-fetch';
import type { HttpClient } from '@millrace/connectors/sdk';
import { closeDatabase, connectDatabase, type Database } from '@millrace/db/connect';
import { schedulesIn } from '@millrace/db/schedules';
import { type Mailer, openMailer } from '@millrace/mail/mailer';
import { type Link, openLink } from '@millrace/queue/link';
import { openQueue, type RunQueue } from '@millrace/queue/queue';
import { openScheduler, type Scheduler } from '@millrace/queue/scheduler';
import { openStepTester, type StepTester } from '@millrace/queue/step-tests';
import type { ApiConfig } from '@millrace/shared/config';
import { dependencyFailed } from '@millrace/shared/events';
import { openTracing } from '@millrace/shared/open-tracing';
import { platformHosts } from '@millrace/shared/platform-hosts';
import { loadSigningKeys, type SigningKeys } from '@millrace/shared/tokens';
import type { Tracing } from '@millrace/shared/tracing';
import type { Logger } from 'pino';
import type { DueLoop } from './due-loop.ts';
import { type LoginFailures, openLoginFailures } from './features/auth/login-failures.ts';
import { openNoticeSender } from './features/failure-notices/sender.ts';
import { type HookAnswers, openHookAnswers } from './features/hooks/answers.ts';
import { openMailSender } from './features/mails/sender.ts';
import { openProviders, type ProviderClients } from './features/oauth/providers.ts';
import { openRunPurger } from './features/retention/purger.ts';
import { openRunWatches, type RunWatches } from './features/runs/watches.ts';
import { openRateLimits, type RateLimits } from './http/rate-limits.ts';

/** Everything the use cases need from outside, opened once and passed first. */
export interface Deps {
  config: ApiConfig;
  log: Logger;
  db: Database;
  queue: RunQueue;
  stepTester: StepTester;
  /** What is shown live; idle while nobody looks. */
  runWatches: RunWatches;
  /** Requests to webhooks that wait for their runs. */
  hookAnswers: HookAnswers;
  /** The connection behind the two counters below. */
  limitsLink: Link;
  rateLimits: RateLimits;
  loginFailures: LoginFailures;
  signingKeys: SigningKeys;
  mailer: Mailer;
  /** Idle until they are started. */
  mailSender: DueLoop;
  noticeSender: DueLoop;
  runPurger: DueLoop;
  scheduler: Scheduler;
  /** For addresses that people entered: reaches none of ours, and follows no redirect. */
  webhookHttp: HttpClient;
  /** The providers people can sign in with. */
  oauth: ProviderClients;
  tracing: Tracing;
}

const POOL_SIZE = 20;
/** A caller waits this long once when Redis stops answering; after that the limits count without it at once. */
const LIMITS_TIMEOUTS = { commandMs: 200, callMs: 200 };

/** Opens the connections; none of them needs its server to be up yet. Throws when a setting cannot work. */
export async function openDeps(config: ApiConfig, log: Logger): Promise<Deps> {
  const webhookHttp = openWebhookHttp(config);
  const signingKeys = await loadSigningKeys(config.AUTH_SIGNING_KEYS);
  const onDatabaseError = (error: Error) => dependencyFailed(log, { dependency: 'postgresql', error: error.message });
  const db = openDatabase(config, onDatabaseError);
  const redis = { redisUrl: config.REDIS_URL, queueName: config.WORKFLOW_QUEUE_NAME };
  const mailer = openMailer({
    smtpUrl: config.SMTP_URL,
    from: config.MAIL_FROM,
    mailboxDir: join(config.MILLRACE_DATA_DIR, 'mailbox'),
  });
  const queue = openQueue(redis);
  const limitsLink = openLink(config.REDIS_URL, LIMITS_TIMEOUTS);
  return {
    config,
    log,
    db,
    queue,
    stepTester: openStepTester(redis),
    runWatches: openRunWatches(db, onDatabaseError),
    hookAnswers: openHookAnswers({
      ...redis,
      db,
      timeoutMs: config.WEBHOOK_REPLY_TIMEOUT_MS,
      onError: onDatabaseError,
    }),
    signingKeys,
    limitsLink,
    rateLimits: openRateLimits(limitsLink, config, redis.queueName),
    loginFailures: openLoginFailures(limitsLink, config.RATE_LIMIT_LOGIN_FAILURES, redis.queueName),
    mailer,
    mailSender: openMailSender({ config, log, db, mailer }),
    noticeSender: openNoticeSender({ config, log, db, mailer, webhookHttp }),
    runPurger: openRunPurger({ config, log, db }),
    scheduler: openScheduler({ ...schedulesIn(db), wakeRun: (wake) => queue.wakeRun(wake), log }),
    webhookHttp,
    oauth: openProviders(config),
    tracing: await openTracing(config, log, 'millrace-api'),
  };
}

function openDatabase(config: ApiConfig, onError: (error: Error) => void): Database {
  return connectDatabase({
    url: config.API_DATABASE_URL,
    poolSize: POOL_SIZE,
    prepared: config.DATABASE_PREPARED,
    admission: { window: config.ORG_ADMISSION_WINDOW, mostQueuedRuns: config.ORG_MAX_QUEUED_RUNS },
    applicationName: 'millrace-api',
    onError,
  });
}

export async function closeDeps(deps: Deps): Promise<void> {
  await deps.scheduler.stop(); // it wakes workers, so it goes before the queue
  await Promise.all([deps.queue.close(), deps.stepTester.close(), deps.hookAnswers.close()]);
  await Promise.all([deps.mailSender.stop(), deps.noticeSender.stop(), deps.runPurger.stop()]);
  deps.limitsLink.redis.disconnect();
  deps.mailer.close();
  await Promise.all([closeDatabase(deps.db), deps.tracing.close()]);
}

function openWebhookHttp(config: ApiConfig): HttpClient {
  const refuse = platformHosts(config, config.API_DATABASE_URL);
  return createSafeFetch({ allow: parseEgressRules(config.EGRESS_ALLOW_CIDRS), refuse, maxRedirects: 0 });
}
