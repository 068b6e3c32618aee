import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../services/failure.ts';
import { lastLines, type ManagedProcess, startProcess, stopProcess } from '../services/managed-process.ts';
import { findFreePort } from '../services/ports.ts';
import type { StartContext } from './context.ts';
import type { Running } from './supervisor.ts';

/** Where the API takes the provider's answer, which the web app forwards. */
export const DEMO_CALLBACK_PATH = '/v1/auth/oauth/google/callback';

const PREFERRED_PORT = 4400;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;

/** A sign-in provider for trying things out, as the API's settings for google name it. */
export interface DemoIdp {
  issuer: string;
  clientId: string;
  clientSecret: string;
}

/** Throws SetupError where it would weaken a real installation: who reaches it can sign in as anybody. */
export function assertDemoIdpFits(env: NodeJS.ProcessEnv): void {
  if (env.NODE_ENV === 'production') throw new SetupError('--demo-idp believes every address: not in production.');
  if (env.GOOGLE_CLIENT_ID)
    throw new SetupError('--demo-idp takes the place of google: unset GOOGLE_CLIENT_ID to use it.');
  for (const name of ['API_HOST', 'WEB_HOST'] as const)
    if (env[name] && !isLoopback(env[name]))
      throw new SetupError(`--demo-idp needs a platform that this machine alone reaches: leave ${name} unset.`);
}

/** Of the address that is listened on, not of one it is reached by: 0.0.0.0 is reached at 127.0.0.1, and by everybody. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Starts the demo provider as a program of its own and waits until it answers. */
export async function launchDemoIdp(context: StartContext): Promise<DemoIdp> {
  const port = await findFreePort(PREFERRED_PORT);
  const idp = {
    issuer: `http://127.0.0.1:${port}`,
    clientId: 'millrace-demo',
    clientSecret: randomBytes(32).toString('base64url'),
  };
  const start = () => startDemoIdp(context, idp, port);
  await context.supervisor.launch('Demo-IdP', start, start);
  return idp;
}

/** What the API is told instead of the settings for google. */
export function settingsForDemoIdp({ issuer, clientId, clientSecret }: DemoIdp, webUrl: string): NodeJS.ProcessEnv {
  return {
    OAUTH_GOOGLE_ISSUER: issuer,
    GOOGLE_CLIENT_ID: clientId,
    GOOGLE_CLIENT_SECRET: clientSecret,
    GOOGLE_REDIRECT_URI: `${webUrl}${DEMO_CALLBACK_PATH}`,
  };
}

async function startDemoIdp({ cloneDir, host }: StartContext, idp: DemoIdp, port: number): Promise<Running> {
  const managed = await startProcess({
    name: 'Demo-IdP',
    command: process.execPath,
    args: [join(cloneDir, 'scripts', 'demo-idp.ts')],
    env: {
      DEMO_IDP_PORT: String(port),
      DEMO_IDP_CLIENT_ID: idp.clientId,
      DEMO_IDP_CLIENT_SECRET: idp.clientSecret,
    },
    cwd: cloneDir,
    runDir: host.runDir,
    logFile: join(host.logsDir, 'demo-idp.log'),
  });
  await untilReady(managed, idp.issuer);
  return { process: managed, stop: () => stopProcess(managed, 'SIGTERM', STOP_TIMEOUT_MS) };
}

async function untilReady(managed: ManagedProcess, issuer: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (managed.isRunning() && Date.now() < deadline) {
    if (await answers(issuer)) return;
    await delay(50);
  }
  await stopProcess(managed, 'SIGTERM', 1_000);
  throw new SetupError(
    `The demo provider does not start. The end of ${managed.logFile}:\n${lastLines(managed.logFile, 20)}`,
  );
}

async function answers(issuer: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal });
    return ((await response.json()) as { issuer?: unknown }).issuer === issuer;
  } catch {
    return false;
  }
}
