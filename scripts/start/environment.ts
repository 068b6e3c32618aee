import { randomBytes } from 'node:crypto';
import { generateSigningKeys } from '../../packages/shared/src/tokens.ts';
import { loadOrCreateSecret } from '../services/secrets.ts';

interface WebAddress {
  host: string;
  port: number;
  /** What people open. */
  url: string;
}

interface EnvironmentSettings {
  base: NodeJS.ProcessEnv;
  dataDir: string;
  secretsDir: string;
  apiDatabaseUrl: string;
  workerDatabaseUrl: string;
  redisUrl: string;
  apiHost: string;
  apiPort: number;
  /** How the web app finds the API. */
  apiUrl: string;
  web: WebAddress;
  compileCacheDir: string;
  /** Added to EGRESS_ALLOW_CIDRS, for the demo only. */
  egressRule: string | undefined;
  /** Wins over the given environment, for the demo only. */
  oauth: NodeJS.ProcessEnv;
}

/** Each program gets what it needs; these are what only one of them may know. */
const SECRETS = [
  ...['DATABASE_URL', 'API_DATABASE_URL', 'WORKER_DATABASE_URL'],
  ...['AUTH_SIGNING_KEYS', 'AUTH_TOKEN_SECRET', 'GOOGLE_CLIENT_SECRET', 'GITHUB_CLIENT_SECRET', 'SMTP_URL'],
];

export interface ProgramEnvironments {
  api: NodeJS.ProcessEnv;
  worker: NodeJS.ProcessEnv;
  web: NodeJS.ProcessEnv;
}

/** The environments of the programs; secrets that the given environment lacks are made once and kept. */
export async function createEnvironments(settings: EnvironmentSettings): Promise<ProgramEnvironments> {
  const { base, secretsDir } = settings;
  const shared: NodeJS.ProcessEnv = {
    ...base,
    REDIS_URL: settings.redisUrl,
    API_HOST: settings.apiHost,
    API_PORT: String(settings.apiPort),
    WEB_PORT: String(settings.web.port),
    WEB_BASE_URL: settings.web.url,
    EGRESS_ALLOW_CIDRS: [base.EGRESS_ALLOW_CIDRS, settings.egressRule].filter(Boolean).join(','),
    // Keeps stripped and compiled sources: the programs start in about two thirds of the time.
    NODE_COMPILE_CACHE: base.NODE_COMPILE_CACHE || settings.compileCacheDir,
  };
  for (const name of SECRETS) delete shared[name];
  const { REDIS_URL: _, ...withoutRedis } = shared;
  return {
    api: {
      ...shared,
      // The web app on this machine is a proxy in front of the API, the only one unless the operator says more.
      TRUST_PROXY: base.TRUST_PROXY || '127.0.0.1,::1',
      MILLRACE_DATA_DIR: settings.dataDir,
      GOOGLE_CLIENT_SECRET: base.GOOGLE_CLIENT_SECRET,
      GITHUB_CLIENT_SECRET: base.GITHUB_CLIENT_SECRET,
      ...settings.oauth,
      API_DATABASE_URL: settings.apiDatabaseUrl,
      SMTP_URL: base.SMTP_URL,
      AUTH_SIGNING_KEYS:
        base.AUTH_SIGNING_KEYS || (await loadOrCreateSecret(secretsDir, 'auth-signing-keys.json', generateSigningKeys)),
      AUTH_TOKEN_SECRET:
        base.AUTH_TOKEN_SECRET || (await loadOrCreateSecret(secretsDir, 'auth-token-secret', createTokenSecret)),
    },
    worker: { ...shared, WORKER_DATABASE_URL: settings.workerDatabaseUrl },
    web: {
      ...withoutRedis,
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      WEB_HOST: settings.web.host,
      API_URL: settings.apiUrl,
    },
  };
}

function createTokenSecret(): string {
  return randomBytes(64).toString('base64url');
}
