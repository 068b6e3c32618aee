import { dirname, join } from 'node:path';
import { buildPrograms, buildsFolder, type Programs } from '../build/programs.ts';
import { SetupError } from '../services/failure.ts';
import { findFreePort, isPortFree } from '../services/ports.ts';
import type { StartContext } from './context.ts';
import type { Database } from './database.ts';
import type { Echo } from './demo-echo.ts';
import { type DemoIdp, settingsForDemoIdp } from './demo-idp.ts';
import { createEnvironments, type ProgramEnvironments } from './environment.ts';
import { startApi, startWorker } from './programs.ts';
import type { Running } from './supervisor.ts';

export const API_PORT = 3001;
const PORT_ATTEMPTS = 5;

interface ProgramSettings {
  programs: Programs;
  database: Database;
  redisUrl: string;
  echo: Echo | undefined;
  demoIdp: DemoIdp | undefined;
}

interface Api {
  running: Running;
  url: string;
  port: number;
  environments: ProgramEnvironments;
}

/** Makes one file of each program, unless that was done with these very sources before. */
export function makePrograms({ cloneDir, host, progress }: StartContext): Promise<Programs> {
  const build = () => buildPrograms(cloneDir, buildsFolder(cloneDir, host.dataDir));
  return progress.stage('Build', build, ({ api }) => `Programs built in ${dirname(api)}`);
}

/** Starts the API, then the worker, which is told where the API listens because steps may never reach it. */
export async function launchPrograms(context: StartContext, settings: ProgramSettings) {
  const { cloneDir, host, progress, supervisor } = context;
  const describeApi = ({ url, running }: Api) => `API on ${url}, pid ${running.process.pid}`;
  const api = await progress.stage('API', () => launchApi(context, settings), describeApi);
  const file = settings.programs.worker;
  const worker = () => startWorker({ file, cloneDir, host, env: api.environments.worker });
  const describeWorker = (running: Running) => `Worker, pid ${running.process.pid}`;
  await progress.stage('Worker', () => supervisor.launch('Worker', worker, worker), describeWorker);
  return { apiUrl: api.url, apiPort: api.port };
}

async function launchApi(context: StartContext, settings: ProgramSettings): Promise<Api> {
  const { cloneDir, host, env, supervisor } = context;
  for (let attempt = 1; ; attempt += 1) {
    const address = await chooseAddress(env);
    const environments = await environmentsFor(context, settings, address);
    const start = () => startApi({ file: settings.programs.api, cloneDir, host, env: environments.api }, address.url);
    try {
      return { ...address, environments, running: await supervisor.launch('API', start, start) };
    } catch (error) {
      // Between choosing a port and listening on it, somebody else may have taken it.
      const lostPort = error instanceof SetupError && error.message.includes('EADDRINUSE');
      if (!lostPort || env.API_PORT || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

interface Address {
  host: string;
  port: number;
  url: string;
}

function environmentsFor(context: StartContext, settings: ProgramSettings, address: Address) {
  const { database, redisUrl, echo, demoIdp } = settings;
  return createEnvironments({
    base: context.env,
    dataDir: context.host.dataDir,
    secretsDir: context.host.secretsDir,
    apiDatabaseUrl: database.apiUrl,
    workerDatabaseUrl: database.workerUrl,
    redisUrl,
    apiHost: address.host,
    apiPort: address.port,
    compileCacheDir: join(context.host.dataDir, 'compile-cache'),
    egressRule: echo && `127.0.0.1/32:${echo.port}`,
    oauth: demoIdp ? settingsForDemoIdp(demoIdp, address.url) : {},
  });
}

/** A port that was asked for is used or refused; only the default gives way. */
async function chooseAddress(env: NodeJS.ProcessEnv): Promise<Address> {
  const host = env.API_HOST || '127.0.0.1';
  const asked = env.API_PORT ? Number(env.API_PORT) : undefined;
  if (asked !== undefined && !(asked >= 0 && asked <= 65_535 && Number.isInteger(asked))) {
    throw new SetupError(`API_PORT must be a port number, not "${env.API_PORT}".`);
  }
  if (asked !== undefined && !(await isPortFree(asked, host))) {
    throw new SetupError(`Something else listens on port ${asked} (API_PORT) of ${host}, or it cannot be used.`);
  }
  const port = asked || (await findFreePort(API_PORT));
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? host;
  return { host, port, url: `http://${reachable}:${port}` };
}
