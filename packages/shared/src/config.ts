import { isIP } from 'node:net';
import { z } from 'zod';
import {
  HttpUrl,
  onOff,
  Port,
  PostgresUrl,
  RedirectUri,
  RedisUrl,
  SecretText,
  url,
  wholeNumber,
} from './config-values.ts';
import { problemOfFailPoint } from './fail-points.ts';
import { LOG_LEVELS } from './log.ts';
import { messageOf } from './message-of.ts';
import { TracingConfig } from './tracing-config.ts';

/** Raised at start with every bad variable in one message, so that a person fixes all of them at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What only the reader of a variable knows about it: throws an Error that says what is wrong with the text. */
export type ReadVariable = (text: string) => unknown;

/**
 * Parses the environment; an empty string counts as unset, as shells and compose files produce it. `readers` look at the variables of
 * their names, when these are set. Throws a ConfigError with everything that is wrong.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  env: Record<string, string | undefined>,
  readers: Record<string, ReadVariable> = {},
): z.infer<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = schema.safeParse(given);
  const issues = parsed.error?.issues ?? [];
  const lines = [
    ...issues.map((issue) => `  ${issue.path.join('.') || '(environment)'}: ${issue.message}`),
    ...Object.entries(readers).flatMap(([name, read]) => problemOf(name, given[name], read)),
  ];
  if (parsed.success && lines.length === 0) return parsed.data;
  throw new ConfigError(`The environment is not valid:\n${[...new Set(lines)].join('\n')}`);
}

function problemOf(name: string, text: string | undefined, read: ReadVariable): string[] {
  try {
    if (text !== undefined) read(text);
    return [];
  } catch (error) {
    return [`  ${name}: ${messageOf(error)}`];
  }
}

const Common = {
  ...TracingConfig.shape,
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  API_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  DATABASE_PREPARED: onOff.default(true),
  REDIS_URL: RedisUrl,
  WORKFLOW_QUEUE_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'may hold letters, digits, _ . - only')
    .default('workflow-runs'),
  WORKFLOW_RETRY_ATTEMPTS: wholeNumber(1, 100).default(3),
  WORKFLOW_RETRY_BACKOFF_MS: wholeNumber(0, 3_600_000).default(5_000),
  /** Runs of one organization that are given to workers at a time, before any is claimed; its weight multiplies it. */
  ORG_ADMISSION_WINDOW: wholeNumber(1, 1_000).default(64),
  /** Queued runs of one organization, unless it has a limit of its own. */
  ORG_MAX_QUEUED_RUNS: wholeNumber(1, 10_000_000).default(100_000),
  WEB_BASE_URL: HttpUrl.default('http://localhost:3000'),
  /** Makes the addresses of steps that wait for a call; unset: derived from AUTH_TOKEN_SECRET. */
  RESUME_TOKEN_KEY: SecretText.optional(),
  SWEEP_INTERVAL_MS: wholeNumber(50, 60_000).default(1_000),
  METRICS_HOST: z.string().default('127.0.0.1'),
  API_METRICS_PORT: Port.optional(),
  WORKER_METRICS_PORT: Port.optional(),
  /** For tests: where the program kills itself, see fail-points.ts. */
  FAIL_POINT: z
    .string()
    .superRefine((value, context) => {
      const message = problemOfFailPoint(value);
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .optional(),
};

/** Of rules that look at several variables: also while others are bad, so that one start names everything. */
const ALWAYS = { when: () => true };

const FAIL_POINT_RULE = { ...ALWAYS, path: ['FAIL_POINT'], message: 'is for tests only: production refuses it' };

function isSafe(config: { NODE_ENV?: string; FAIL_POINT?: string | undefined }): boolean {
  return config.NODE_ENV !== 'production' || config.FAIL_POINT === undefined;
}

/** `TRUST_PROXY`: how many proxies stand in front (1..8), or the networks they live in; unset: none is believed. */
const TrustProxy = z
  .string()
  .refine(
    (value) => /^[1-8]$/.test(value) || readList(value).every(isNetwork),
    'must be 1 to 8 hops or a list of CIDRs',
  )
  .transform((value) => (/^[1-8]$/.test(value) ? Number(value) : readList(value)));

function readList(value: string): string[] {
  return value.split(',').map((part) => part.trim());
}

/** An address, or a network as `address/prefix` that is not everybody: 0 would let each client choose its own address. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

/** Mail goes by SMTP, or without it into files that a person can open. */
const Mail = {
  MILLRACE_DATA_DIR: z.string().default('.millrace'),
  SMTP_URL: url(/^smtps?:$/, 'a URL like smtp://user:password@mail.example.com:587').optional(),
  MAIL_FROM: z.string().max(300).default('Millrace <millrace@localhost>'),
};

/** A provider counts as configured with both its id and its secret. */
const OAuth = {
  GOOGLE_CLIENT_ID: z.string().optional(),
  GOOGLE_CLIENT_SECRET: z.string().optional(),
  GOOGLE_REDIRECT_URI: RedirectUri.optional(),
  GITHUB_CLIENT_ID: z.string().optional(),
  GITHUB_CLIENT_SECRET: z.string().optional(),
  GITHUB_REDIRECT_URI: RedirectUri.optional(),
  OAUTH_GOOGLE_ISSUER: HttpUrl.default('https://accounts.google.com'),
  OAUTH_GITHUB_BASE_URL: HttpUrl.default('https://github.com'),
};

const RateLimits = {
  /** Sign-ups and logins a minute from one address. */
  RATE_LIMIT_SIGN_IN_PER_MIN: wholeNumber(1, 1_000_000).default(60),
  /** Requests a minute from one address to routes that take a secret from a stranger: mailed links, OAuth, invitations. */
  RATE_LIMIT_LINK_PER_MIN: wholeNumber(1, 1_000_000).default(60),
  /** Requests a minute to one webhook, from all addresses together. */
  RATE_LIMIT_HOOK_PER_MIN: wholeNumber(1, 1_000_000).default(6_000),
  /** Wrong passwords for one account in 15 minutes before it has to wait, whatever address they come from. */
  RATE_LIMIT_LOGIN_FAILURES: wholeNumber(1, 1_000_000).default(10),
  /** Mails with a link to one account an hour: so many to reset the password, and so many to confirm the address. */
  RATE_LIMIT_MAILS_PER_HOUR: wholeNumber(1, 1_000_000).default(5),
  /** Password changes of one signed-in user an hour, failed ones included: each is two hashes and may be a mail. */
  RATE_LIMIT_PASSWORD_CHANGES_PER_HOUR: wholeNumber(1, 1_000_000).default(10),
  /** Slugs that one signed-in user may ask about a minute: enough for typing, too few for listing who is here. */
  RATE_LIMIT_SLUG_CHECKS_PER_MIN: wholeNumber(1, 1_000_000).default(60),
};

export const ApiConfig = z
  .object({
    ...Common,
    ...Mail,
    ...OAuth,
    ...RateLimits,
    EGRESS_ALLOW_CIDRS: z.string().default(''),
    API_DATABASE_URL: PostgresUrl,
    API_HOST: z.string().default('127.0.0.1'),
    API_PORT: Port.default(3001),
    WEB_PORT: Port.default(3000),
    /** How long the sender of a webhook waits for the answer of its run. */
    WEBHOOK_REPLY_TIMEOUT_MS: wholeNumber(100, 300_000).default(30_000),
    TRUST_PROXY: TrustProxy.optional(),
    AUTH_SIGNING_KEYS: z.string({ error: 'is required: a JWKS of private Ed25519 keys' }),
    AUTH_TOKEN_SECRET: SecretText,
    ACCESS_TOKEN_TTL_SEC: wholeNumber(10, 86_400).default(900),
    SESSION_TTL_SEC: wholeNumber(60, 31_536_000).default(604_800),
    SESSION_MAX_SEC: wholeNumber(60, 31_536_000).default(2_592_000),
    /** How long runs that have ended are kept, in organizations that have not chosen. */
    RUN_RETENTION_DAYS: wholeNumber(1, 3650).default(30),
    ORG_CONTEXT_ENFORCEMENT: z.enum(['warn', 'strict']).default('strict'),
    ORG_CONTEXT_ENFORCEMENT_ACK: z.literal('1').optional(),
  })
  .refine(isSafe, FAIL_POINT_RULE)
  .refine((config) => !isUnacknowledgedWarn(config), {
    path: ['ORG_CONTEXT_ENFORCEMENT'],
    message: 'warn needs ORG_CONTEXT_ENFORCEMENT_ACK=1 in production',
    ...ALWAYS,
  })
  .superRefine((config, context) => {
    for (const provider of ['GOOGLE', 'GITHUB'] as const) {
      const [id, secret] = [`${provider}_CLIENT_ID`, `${provider}_CLIENT_SECRET`] as const;
      if (Boolean(config[id]) === Boolean(config[secret])) continue;
      context.addIssue({
        code: 'custom',
        path: [config[id] ? secret : id],
        message: `is required with ${config[id] ? id : secret}`,
      });
    }
    for (const name of ['WEB_BASE_URL', 'OAUTH_GOOGLE_ISSUER', 'OAUTH_GITHUB_BASE_URL'] as const)
      if (config.NODE_ENV === 'production' && isOpenToTampering(config[name]))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'must be https in production, except on this machine',
        });
  }, ALWAYS);
export type ApiConfig = z.infer<typeof ApiConfig>;

/** Plain http to another machine: whoever sits on the way could sign in as anybody, or read the links and cookies. */
function isOpenToTampering(address: string | undefined): boolean {
  const { protocol, hostname } = URL.parse(address ?? '') ?? {};
  return protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname ?? '');
}

/** A forgotten `warn` would weaken production silently, so it takes a second, deliberate variable. */
function isUnacknowledgedWarn(config: {
  NODE_ENV?: string;
  ORG_CONTEXT_ENFORCEMENT?: string;
  ORG_CONTEXT_ENFORCEMENT_ACK?: string | undefined;
}): boolean {
  const isWarn = config.ORG_CONTEXT_ENFORCEMENT === 'warn' && config.ORG_CONTEXT_ENFORCEMENT_ACK !== '1';
  return config.NODE_ENV === 'production' && isWarn;
}

export const WorkerConfig = z
  .object({
    ...Common,
    /** Better not known to a worker, which only needs RESUME_TOKEN_KEY. */
    AUTH_TOKEN_SECRET: SecretText.optional(),
    WORKER_DATABASE_URL: PostgresUrl,
    WORKFLOW_QUEUE_CONCURRENCY: wholeNumber(1, 500).default(50),
    WORKFLOW_STEP_CONCURRENCY: wholeNumber(1, 10_000).default(500),
    WORKFLOW_MAX_FILE_BYTES: wholeNumber(1, 1_073_741_824).default(104_857_600),
    WORKFLOW_MAX_RUN_FILES_BYTES: wholeNumber(1, 1_073_741_824).default(524_288_000),
    /** Attempts of one run that its owner makes itself before it offers others to all workers. */
    WORKFLOW_LOCAL_ATTEMPTS: wholeNumber(1, 20).default(8),
    EGRESS_ALLOW_CIDRS: z.string().default(''),
    // Where the platform itself listens: steps may never reach it, whatever EGRESS_ALLOW_CIDRS says.
    API_HOST: z.string().default('127.0.0.1'),
    API_PORT: Port.default(3001),
    WEB_PORT: Port.default(3000),
  })
  .refine(isSafe, FAIL_POINT_RULE);
export type WorkerConfig = z.infer<typeof WorkerConfig>;

export const WebConfig = z.object({
  NODE_ENV: Common.NODE_ENV,
  API_LOG_LEVEL: Common.API_LOG_LEVEL,
  WEB_HOST: z.string().default('127.0.0.1'),
  WEB_PORT: Port.default(3000),
  WEB_BASE_URL: HttpUrl.default('http://localhost:3000'),
  /** Where the web app finds the API; people never see it. */
  API_URL: HttpUrl.default('http://127.0.0.1:3001'),
});
export type WebConfig = z.infer<typeof WebConfig>;
