import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createTestDatabase, type TestDatabase } from '../packages/db/src/testing.ts';
import { eventually, startTestRedis, type TestRedis } from '../packages/queue/src/testing.ts';
import { generateSigningKeys } from '../packages/shared/src/tokens.ts';
import { buildPrograms, buildsFolder } from '../scripts/build/programs.ts';
import { flagsOf } from '../scripts/start/node-flags.ts';

const CLONE = dirname(import.meta.dirname);

export interface Api extends Program {
  url: string;
}

export interface Program {
  pid: number;
  /** Every event logged so far, oldest first. */
  events: { event: string; detail?: { port?: number; metricsPort?: number }; [field: string]: unknown }[];
  /** Every line it wrote to its standard output and error. */
  lines: string[];
  isRunning(): boolean;
  /** Waits for the end; answers the exit code, null when the signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

interface Output {
  /** False for a program that is meant to die with many words. They are in its `lines` all the same. */
  showsErrors: boolean;
}

export interface TestPlatform {
  database: TestDatabase;
  redis: TestRedis;
  /** What programs started from now on find in their environment. */
  env: Record<string, string>;
  /** With settings of its own on top of the platform's. */
  startApi(settings?: Record<string, string>): Promise<Api>;
  startWorker(settings?: Record<string, string>, output?: Output): Promise<Program>;
  /** The web app in front of the API at `apiUrl`; it takes the production build that is there. */
  startWeb(apiUrl: string, settings?: Record<string, string>): Promise<Api>;
  stop(): Promise<void>;
}

/**
 * The real programs as child processes, on a database and a Redis of their own. `clusterUrl` is the superuser of another
 * PostgreSQL than that of all tests.
 */
export async function preparePlatform(
  settings: Record<string, string> = {},
  clusterUrl?: string,
): Promise<TestPlatform> {
  const [database, redis] = await Promise.all([
    createTestDatabase(clusterUrl),
    startTestRedis(['--appendonly', 'yes']),
  ]);
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-platform-'));
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'test',
    MILLRACE_DATA_DIR: dataDir,
    REDIS_URL: redis.url,
    API_PORT: '0',
    WORKFLOW_QUEUE_NAME: `test-${randomBytes(6).toString('hex')}`,
    AUTH_SIGNING_KEYS: await generateSigningKeys(),
    AUTH_TOKEN_SECRET: randomBytes(32).toString('hex'),
    API_DATABASE_URL: database.apiUrl,
    WORKER_DATABASE_URL: database.workerUrl,
    ...settings,
  };
  const programs: Program[] = [];
  const start = async (name: ProgramName, ownSettings: Record<string, string> = {}, output?: Output) => {
    const program = await startProgram(name, { ...env, ...ownSettings }, output);
    programs.push(program);
    return program;
  };
  return {
    database,
    redis,
    env,
    startApi: async (ownSettings) => withUrl(await start('api', ownSettings)),
    startWeb: async (apiUrl, ownSettings) =>
      withUrl(await start('web', { API_URL: apiUrl, WEB_PORT: '0', ...ownSettings })),
    startWorker: (ownSettings, output) => start('worker', ownSettings, output),
    async stop() {
      await Promise.all(programs.map((program) => program.kill('SIGKILL')));
      await redis.stop();
      await database.drop();
      await rm(dataDir, { recursive: true });
    },
  };
}

function withUrl(program: Program): Api {
  const started = program.events.find(({ event }) => event === 'program_started');
  return { ...program, url: `http://127.0.0.1:${started?.detail?.port}` };
}

/** A real worker beside an API that was opened otherwise, on the same database and queue. */
export async function startWorkerOf(settings: Record<string, unknown>): Promise<Program> {
  const names = ['NODE_ENV', 'REDIS_URL', 'WORKFLOW_QUEUE_NAME', 'WORKER_DATABASE_URL'];
  const env = Object.fromEntries(names.map((name) => [name, String(settings[name])]));
  return startProgram('worker', { PATH: process.env.PATH, ...env });
}

/** A start takes a second; on a machine that is busy with other things, many. */
const START_TIMEOUT_MS = 60_000;

type ProgramName = 'api' | 'worker' | 'web';

/** The web app runs its sources: what its pages are made of is built by its framework. */
async function fileOf(name: ProgramName): Promise<string> {
  if (name === 'web') return join(CLONE, 'apps', 'web', 'src', 'main.ts');
  return (await buildPrograms(CLONE, buildsFolder(CLONE, tmpdir())))[name];
}

async function startProgram(
  name: ProgramName,
  env: NodeJS.ProcessEnv,
  { showsErrors }: Output = { showsErrors: true },
): Promise<Program> {
  const file = await fileOf(name);
  const child = spawn(process.execPath, [...flagsOf(name), file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Program['events'] = [];
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    // The web app's framework prints lines of its own beside our events.
    if (name === 'web' && !line.startsWith('{')) return;
    const event = parseLine(line, child);
    if (event) events.push(event);
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (showsErrors) process.stderr.write(`${line}\n`);
  });
  try {
    await eventually(`${name} to start`, () => isStarted(child, events), START_TIMEOUT_MS);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    events,
    lines,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(signal);
      await once(child, 'exit');
      return child.exitCode;
    },
  };
}

/** Of a killed program the last line may be half a line. */
function parseLine(line: string, child: ChildProcess): Program['events'][number] | undefined {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (child.killed) return undefined;
    throw error;
  }
}

/** One that a signal has ended says nothing any more: whoever started it sees that it does not run. */
function isStarted(child: ChildProcess, events: Program['events']): boolean {
  if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}: ${JSON.stringify(events)}`);
  return child.signalCode !== null || events.some(({ event }) => event === 'program_started');
}
