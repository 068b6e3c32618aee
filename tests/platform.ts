import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createTestDatabase, type TestDatabase } from '../packages/db/src/testing.ts';
import { eventually, startTestRedis, type TestRedis } from '../packages/queue/src/testing.ts';
import { generateSigningKeys } from '../packages/shared/src/tokens.ts';
import { flagsOf } from '../scripts/start/node-flags.ts';

export interface Api extends Program {
  url: string;
}

export interface Program {
  pid: number;
  /** Every event logged so far, oldest first. */
  events: { event: string; detail?: { port?: number; metricsPort?: number }; [field: string]: unknown }[];
  /** Every line it wrote to its standard output and error. */
  lines: string[];
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface TestPlatform {
  database: TestDatabase;
  redis: TestRedis;
  /** What programs started from now on find in their environment. */
  env: Record<string, string>;
  /** With settings of its own on top of the platform's. */
  startApi(settings?: Record<string, string>): Promise<Api>;
  startWorker(settings?: Record<string, string>): Promise<Program>;
  /** The web app in front of the API at `apiUrl`; it takes the production build that is there. */
  startWeb(apiUrl: string, settings?: Record<string, string>): Promise<Api>;
  stop(): Promise<void>;
}

/** The real programs as child processes, on a database and a Redis of their own. */
export async function preparePlatform(settings: Record<string, string> = {}): Promise<TestPlatform> {
  const [database, redis] = await Promise.all([createTestDatabase(), startTestRedis(['--appendonly', 'yes'])]);
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
  const start = async (name: string, ownSettings: Record<string, string> = {}) => {
    const program = await startProgram(name, { ...env, ...ownSettings });
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
    startWorker: (ownSettings) => start('worker', ownSettings),
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

async function startProgram(name: string, env: NodeJS.ProcessEnv): Promise<Program> {
  const main = join(import.meta.dirname, '..', 'apps', name, 'src', 'main.ts');
  const child = spawn(process.execPath, [...flagsOf(name), main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Program['events'] = [];
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    // The web app's framework prints lines of its own beside our events.
    if (name !== 'web' || line.startsWith('{')) events.push(JSON.parse(line));
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    process.stderr.write(`${line}\n`);
  });
  await eventually(`${name} to start`, () => isStarted(child, events), 60_000);
  return {
    pid: child.pid ?? 0,
    events,
    lines,
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

function isStarted(child: ChildProcess, events: Program['events']): boolean {
  if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}: ${JSON.stringify(events)}`);
  return events.some(({ event }) => event === 'program_started');
}
