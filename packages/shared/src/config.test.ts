import { expect, it } from 'vitest';
import { ApiConfig, ConfigError, parseConfig, type ReadVariable, WorkerConfig } from './config.ts';

const API = {
  API_DATABASE_URL: 'postgres://app_api:password@127.0.0.1:5432/millrace',
  REDIS_URL: 'redis://127.0.0.1:6379',
  AUTH_SIGNING_KEYS: '{"keys":[]}',
  AUTH_TOKEN_SECRET: 'x'.repeat(32),
};
const WORKER = { WORKER_DATABASE_URL: API.API_DATABASE_URL, REDIS_URL: API.REDIS_URL };

function problemsOf(
  env: Record<string, string | undefined>,
  schema: typeof ApiConfig | typeof WorkerConfig = ApiConfig,
  readers: Record<string, ReadVariable> = {},
) {
  try {
    parseConfig(schema, env, readers);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const { message } = error as ConfigError;
    return { message, names: [...message.matchAll(/^ {2}(\w+): /gm)].map((match) => match[1]).toSorted() };
  }
  return { message: '', names: [] };
}

it('fills in the documented defaults', () => {
  expect(parseConfig(ApiConfig, API)).toMatchObject({
    NODE_ENV: 'development',
    API_PORT: 3001,
    WEB_BASE_URL: 'http://localhost:3000',
    DATABASE_PREPARED: true,
    WORKFLOW_QUEUE_NAME: 'workflow-runs',
    WORKFLOW_RETRY_ATTEMPTS: 3,
    WORKFLOW_RETRY_BACKOFF_MS: 5000,
    ACCESS_TOKEN_TTL_SEC: 900,
    SESSION_TTL_SEC: 604_800,
    SESSION_MAX_SEC: 2_592_000,
    RUN_RETENTION_DAYS: 30,
    ORG_CONTEXT_ENFORCEMENT: 'strict',
  });
  expect(parseConfig(WorkerConfig, WORKER)).toMatchObject({ EGRESS_ALLOW_CIDRS: '' });
});

it('names every missing variable at once', () => {
  expect(problemsOf({}).names).toEqual(['API_DATABASE_URL', 'AUTH_SIGNING_KEYS', 'AUTH_TOKEN_SECRET', 'REDIS_URL']);
  expect(problemsOf({}, WorkerConfig).names).toEqual(['REDIS_URL', 'WORKER_DATABASE_URL']);
});

it('names every bad variable at once, and repeats no value', () => {
  const bad = {
    NODE_ENV: 'canary-prod',
    API_DATABASE_URL: 'mysql://canary@localhost/x',
    REDIS_URL: 'canary',
    API_PORT: '70000',
    API_LOG_LEVEL: 'canary',
    WEB_BASE_URL: 'javascript:canary',
    DATABASE_PREPARED: 'canary',
    TRUST_PROXY: 'canary!',
    WORKFLOW_QUEUE_NAME: 'canary queue',
    WORKFLOW_RETRY_ATTEMPTS: '0',
    AUTH_TOKEN_SECRET: 'canary-too-short',
    ACCESS_TOKEN_TTL_SEC: '-1',
    SESSION_TTL_SEC: '1e9',
    SESSION_MAX_SEC: '3.5',
    ORG_CONTEXT_ENFORCEMENT: 'canary',
    ORG_CONTEXT_ENFORCEMENT_ACK: 'yes',
  };
  const { names, message } = problemsOf({ ...API, ...bad });
  expect(names).toEqual(Object.keys(bad).toSorted());
  expect(message).not.toContain('canary');
});

it('treats an empty value as unset, as shells and compose files produce it', () => {
  expect(parseConfig(ApiConfig, { ...API, API_PORT: '', WEB_BASE_URL: '' }).API_PORT).toBe(3001);
  expect(problemsOf({ ...API, REDIS_URL: '' }).names).toEqual(['REDIS_URL']);
});

it('counts the secret in bytes', () => {
  expect(problemsOf({ ...API, AUTH_TOKEN_SECRET: 'x'.repeat(31) }).names).toEqual(['AUTH_TOKEN_SECRET']);
  expect(problemsOf({ ...API, AUTH_TOKEN_SECRET: '\u00e9'.repeat(16) }).names).toEqual([]);
});

it('reads how many proxies to believe, or which networks', () => {
  const trust = (TRUST_PROXY: string) => parseConfig(ApiConfig, { ...API, TRUST_PROXY }).TRUST_PROXY;
  expect(trust('2')).toBe(2);
  expect(trust('10.0.0.0/8, ::1')).toEqual(['10.0.0.0/8', '::1']);
  expect(parseConfig(ApiConfig, API).TRUST_PROXY).toBeUndefined();
  for (const TRUST_PROXY of [
    '0',
    '9',
    'true',
    'loopback',
    ',',
    '10.0.0.0/33',
    '0.0.0.0/0',
    '::/0',
    '300.1.1.1',
    '1.2.3',
  ])
    expect(problemsOf({ ...API, TRUST_PROXY }).names, TRUST_PROXY).toEqual(['TRUST_PROXY']);
});

it('T1: refuses warn in production unless somebody acknowledged it', () => {
  const warn = { ...API, ORG_CONTEXT_ENFORCEMENT: 'warn' };
  const production = { ...warn, NODE_ENV: 'production' };
  expect(problemsOf(production).names).toEqual(['ORG_CONTEXT_ENFORCEMENT']);
  expect(problemsOf(production).message).toContain('ORG_CONTEXT_ENFORCEMENT_ACK=1');
  expect(problemsOf({ ...production, ORG_CONTEXT_ENFORCEMENT_ACK: '1' }).names).toEqual([]);
  expect(problemsOf(warn).names).toEqual([]);
  expect(problemsOf({ ...API, NODE_ENV: 'production' }).names).toEqual([]);
});

it('names an unacknowledged warn together with every other problem', () => {
  const env = { ...API, NODE_ENV: 'production', ORG_CONTEXT_ENFORCEMENT: 'warn', API_PORT: 'x', REDIS_URL: undefined };
  expect(problemsOf(env).names).toEqual(['API_PORT', 'ORG_CONTEXT_ENFORCEMENT', 'REDIS_URL']);
});

it('names what only several variables or their readers can tell together with every other problem', () => {
  const env = {
    NODE_ENV: 'production',
    API_PORT: 'x',
    GOOGLE_CLIENT_ID: 'id',
    GITHUB_CLIENT_SECRET: 'secret',
    WEB_BASE_URL: 'http://millrace.example',
    OAUTH_GITHUB_BASE_URL: 'no address',
    EGRESS_ALLOW_CIDRS: 'everything',
    AUTH_SIGNING_KEYS: '{"keys":[]}',
  };
  const readers = {
    EGRESS_ALLOW_CIDRS: fail('is no range'),
    AUTH_SIGNING_KEYS: fail('must be a JWKS'),
    REDIS_URL: fail('unset'),
  };
  expect(problemsOf(env, ApiConfig, readers).names).toEqual([
    ...['API_DATABASE_URL', 'API_PORT', 'AUTH_SIGNING_KEYS', 'AUTH_TOKEN_SECRET', 'EGRESS_ALLOW_CIDRS'],
    ...['GITHUB_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'OAUTH_GITHUB_BASE_URL', 'REDIS_URL', 'WEB_BASE_URL'],
  ]);
  expect(problemsOf({ ...API, EGRESS_ALLOW_CIDRS: 'all' }, ApiConfig, readers).message).toContain(
    'EGRESS_ALLOW_CIDRS: is no range',
  );
});

function fail(message: string) {
  return () => {
    throw new Error(message);
  };
}

it('takes a redirect URI without a query or fragment only', () => {
  for (const name of ['GOOGLE_REDIRECT_URI', 'GITHUB_REDIRECT_URI']) {
    expect(problemsOf({ ...API, [name]: 'https://millrace.example/callback' }).names).toEqual([]);
    for (const value of ['https://millrace.example/callback?x=1', 'https://millrace.example/#x', '/callback'])
      expect(problemsOf({ ...API, [name]: value }).names, value).toEqual([name]);
  }
});

it('A9: takes a web app over plain http outside production, and there on this machine only', () => {
  const production = { ...API, NODE_ENV: 'production' };
  expect(problemsOf({ ...API, WEB_BASE_URL: 'http://millrace.internal' }).names).toEqual([]);
  for (const good of ['https://millrace.example', 'http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]'])
    expect(problemsOf({ ...production, WEB_BASE_URL: good }).names, good).toEqual([]);
  for (const bad of [
    'http://millrace.example',
    'http://192.168.1.5:3000',
    'http://localhost.example',
    'http://0.0.0.0',
  ])
    expect(problemsOf({ ...production, WEB_BASE_URL: bad }), bad).toMatchObject({
      names: ['WEB_BASE_URL'],
      message: expect.stringContaining('https in production'),
    });
});

it('O2: takes sign-in providers over plain http outside production, and there on this machine only', () => {
  for (const name of ['OAUTH_GOOGLE_ISSUER', 'OAUTH_GITHUB_BASE_URL']) {
    const production = { ...API, NODE_ENV: 'production' };
    expect(problemsOf({ ...API, [name]: 'http://idp.internal' }).names).toEqual([]);
    for (const good of ['https://idp.example', 'http://127.0.0.1:4400', 'http://[::1]:4400', 'http://localhost'])
      expect(problemsOf({ ...production, [name]: good }).names, good).toEqual([]);
    for (const bad of ['http://idp.internal', 'http://127.0.0.1.example', 'http://localhost.example'])
      expect(problemsOf({ ...production, [name]: bad }).names, bad).toEqual([name]);
  }
});
