import { join } from 'node:path';
import { SetupError } from '../services/failure.ts';
import { type Reservation, reservePort } from '../services/ports.ts';
import type { WebBuild } from '../web/build.ts';
import { type Address, chooseAddress } from './addresses.ts';
import type { StartContext } from './context.ts';
import type { Database } from './database.ts';
import type { Echo } from './demo-echo.ts';
import { type DemoIdp, settingsForDemoIdp } from './demo-idp.ts';
import { createEnvironments, type ProgramEnvironments } from './environment.ts';
import { startApi, startWeb, startWorker } from './programs.ts';
import type { Running } from './supervisor.ts';

export const API_PORT = 3001;
const WEB_PORT = 3000;
const PORT_ATTEMPTS = 5;

interface ProgramSettings {
  database: Database;
  redisUrl: string;
  echo: Echo | undefined;
  demoIdp: DemoIdp | undefined;
  /** Under way since the start began. */
  webBuild: Promise<WebBuild>;
}

interface Api {
  running: Running;
  url: string;
  port: number;
  environments: ProgramEnvironments;
}

/** Starts the API, then the worker and the web app, which are told where the API listens. */
export async function launchPrograms(context: StartContext, settings: ProgramSettings) {
  const { cloneDir, host, progress, supervisor } = context;
  const web = await reserveWebAddress(context.env);
  const describeApi = ({ url, running }: Api) => `API on ${url}, pid ${running.process.pid}`;
  const api = await progress.stage('API', () => launchApi(context, settings, web), describeApi);
  const worker = () => startWorker({ cloneDir, host, env: api.environments.worker });
  const describeWorker = (running: Running) => `Worker, pid ${running.process.pid}`;
  await progress.stage('Worker', () => supervisor.launch('Worker', worker, worker), describeWorker);
  await launchWeb(context, settings, { web, env: api.environments.web });
  return { apiUrl: api.url, apiPort: api.port, webUrl: api.environments.web.WEB_BASE_URL ?? web.url };
}

interface Web {
  web: Address & Reservation;
  env: NodeJS.ProcessEnv;
}

async function launchWeb(context: StartContext, { webBuild }: ProgramSettings, { web, env }: Web): Promise<void> {
  const { cloneDir, host, progress, supervisor } = context;
  const describeBuild = ({ isNew }: WebBuild) => (isNew ? 'Web app built' : 'Web app is built already');
  await progress.stage('Building the web app', () => webBuild, describeBuild);
  const start = () => startWeb({ cloneDir, host, env }, web.url);
  const describe = (running: Running) => `Web app on ${web.url}, pid ${running.process.pid}`;
  // It takes the port over itself, at the last moment.
  await progress.stage('Web app', () => supervisor.launch('Web', start, start), describe).finally(web.release);
}

async function launchApi(context: StartContext, settings: ProgramSettings, web: Address): Promise<Api> {
  const { cloneDir, host, env, supervisor } = context;
  for (let attempt = 1; ; attempt += 1) {
    const address = await chooseAddress({
      variable: 'API_PORT',
      host: env.API_HOST || undefined,
      port: env.API_PORT,
      preferredPort: API_PORT,
    });
    const environments = await environmentsFor(context, settings, { address, web });
    const start = () => startApi({ cloneDir, host, env: environments.api }, address.url);
    try {
      return { ...address, environments, running: await supervisor.launch('API', start, start) };
    } catch (error) {
      // Between choosing a port and listening on it, somebody else may have taken it.
      const lostPort = error instanceof SetupError && error.message.includes('EADDRINUSE');
      if (!lostPort || env.API_PORT || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/** Held until the web app takes it over: the API is told this address long before. */
async function reserveWebAddress(env: NodeJS.ProcessEnv): Promise<Address & Reservation> {
  let preferredPort = WEB_PORT;
  for (let attempt = 1; ; attempt += 1) {
    const wanted = { variable: 'WEB_PORT', host: env.WEB_HOST || undefined, port: env.WEB_PORT, preferredPort };
    const address = await chooseAddress(wanted);
    // The API is asked to listen there, only later.
    const isMeantForApi = !env.WEB_PORT && String(address.port) === env.API_PORT;
    if (isMeantForApi) preferredPort = address.port + 1;
    try {
      if (!isMeantForApi) return { ...address, ...(await reservePort(address.port, address.host)) };
    } catch (error) {
      if (env.WEB_PORT || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

function environmentsFor(context: StartContext, settings: ProgramSettings, at: { address: Address; web: Address }) {
  const { database, redisUrl, echo, demoIdp } = settings;
  const { address, web } = at;
  // Browsers keep cookies by name, and people type this one.
  const webUrl = context.env.WEB_BASE_URL || `http://localhost:${web.port}`;
  return createEnvironments({
    base: context.env,
    dataDir: context.host.dataDir,
    secretsDir: context.host.secretsDir,
    apiDatabaseUrl: database.apiUrl,
    workerDatabaseUrl: database.workerUrl,
    redisUrl,
    apiHost: address.host,
    apiPort: address.port,
    apiUrl: address.url,
    web: { host: web.host, port: web.port, url: webUrl },
    compileCacheDir: join(context.host.dataDir, 'compile-cache'),
    egressRule: echo && `127.0.0.1/32:${echo.port}`,
    oauth: demoIdp ? settingsForDemoIdp(demoIdp, webUrl) : {},
  });
}
