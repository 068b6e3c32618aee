import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from '../services/failure.ts';
import type { Host } from '../services/host.ts';
import { lastLines, startProcess, stopLeftover, stopProcess } from '../services/managed-process.ts';
import { flagsOf, PROGRAM_ENV } from './node-flags.ts';
import type { Running } from './supervisor.ts';

const READY_TIMEOUT_MS = 60_000;
/** With a log level that leaves the event out, living this long counts as having started. */
const SILENT_START_MS = 3_000;
/** Requests and steps under way may finish. */
const STOP_TIMEOUT_MS = 20_000;

interface ProgramSettings {
  name: 'API' | 'Worker' | 'Web';
  /** What Node is to run. */
  file: string;
  cloneDir: string;
  host: Host;
  env: NodeJS.ProcessEnv;
}

/** Starts the API and waits until it says that it is ready for requests. Throws with the end of its log. */
export function startApi(settings: Omit<ProgramSettings, 'name'>, url: string): Promise<Running> {
  return startProgram({ ...settings, name: 'API' }, () => isReady(`${url}/readyz`));
}

/** Starts the worker and waits until it logs that it has started. Throws with the end of its log. */
export function startWorker(settings: Omit<ProgramSettings, 'name'>): Promise<Running> {
  return startProgram({ ...settings, name: 'Worker' }, async () => true);
}

/** Starts the web app and waits until it serves its first page. Throws with the end of its log. */
export function startWeb(settings: Omit<ProgramSettings, 'name'>, url: string): Promise<Running> {
  return startProgram({ ...settings, name: 'Web' }, () => isReady(url));
}

/** Stops the programs that a start left behind when it was killed: they would serve and work beside the new ones. */
export async function stopLeftoverPrograms(runDir: string, say: (line: string) => void): Promise<void> {
  for (const name of ['Web', 'Worker', 'API', 'Demo-IdP']) {
    if (await stopLeftover(runDir, name, 'SIGTERM')) say(`Stopped the ${name} of an earlier start.`);
  }
}

async function startProgram(settings: ProgramSettings, isReadyToo: () => Promise<boolean>): Promise<Running> {
  const { name, file, cloneDir, host, env } = settings;
  const logFile = join(host.logsDir, `${name.toLowerCase()}.log`);
  const managed = await startProcess({
    name,
    command: process.execPath,
    args: [...flagsOf(name), file],
    env: { ...PROGRAM_ENV, ...env },
    cwd: cloneDir,
    runDir: host.runDir,
    logFile,
  });
  const started = Date.now();
  while (managed.isRunning() && Date.now() < started + READY_TIMEOUT_MS) {
    const hasStarted = logsItsStart(env)
      ? managed
          .readOwnLog()
          .split('\n')
          .some((line) => isStartEvent(line, managed.pid))
      : Date.now() > started + SILENT_START_MS;
    if (hasStarted && (await isReadyToo())) {
      return { process: managed, stop: () => stopProcess(managed, 'SIGTERM', STOP_TIMEOUT_MS) };
    }
    await delay(50);
  }
  const how = managed.isRunning() ? 'did not become ready' : `ended with ${await managed.ended}`;
  await stopProcess(managed, 'SIGTERM', 1_000);
  throw new SetupError(`The ${name} ${how}. The end of ${logFile}:\n${lastLines(logFile, 30)}`);
}

function logsItsStart(env: NodeJS.ProcessEnv): boolean {
  return ['trace', 'debug', 'info'].includes(env.API_LOG_LEVEL || 'info');
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function isStartEvent(line: string, pid: number): boolean {
  return line.includes('"program_started"') && line.includes(`"pid":${pid}`);
}
