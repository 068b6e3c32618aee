import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { SetupError } from './failure.ts';
import { type Host, makeServiceFolder } from './host.ts';
import { lastLines, type ManagedProcess, startProcess, stopProcess } from './managed-process.ts';
import { findFreePort } from './ports.ts';
import { preparePostgresBinaries } from './postgres-binaries.ts';
import { stopLeftoverPostgres } from './postgres-leftover.ts';
import { becomesTrue } from './process-identity.ts';
import { loadOrCreateSecret } from './secrets.ts';

const MAJOR_VERSION = '18';
const USER = 'postgres';
/** Recovery after a crash replays the log before the server answers. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const PORT_ATTEMPTS = 5;
/** How long a server that could not have its port takes to end, at most. */
const LOST_PORT_MS = 3_000;

export interface PostgresSettings {
  host: Host;
  preferredPort: number;
  /** True: this port or none, for a restart under programs that know it already. */
  isPortFixed?: boolean;
  /** False gives up crash safety for speed: for tests, whose data nobody needs. */
  isDurable: boolean;
  say: (line: string) => void;
}

export interface Postgres {
  process: ManagedProcess;
  port: number;
  version: string;
  /** Superuser connection string of one database. */
  urlOf: (database: string) => string;
  stop: () => Promise<void>;
}

/**
 * Starts the embedded PostgreSQL of this data folder on 127.0.0.1, creating its cluster the first time. A server that a
 * crashed start left running is stopped first: its port, settings and log are of that start, and stopping it is the one
 * way that always leads to a known state. Throws SetupError with the end of the server's log.
 */
export async function startPostgres(settings: PostgresSettings): Promise<Postgres> {
  const { host, say } = settings;
  const binaries = preparePostgresBinaries(host);
  const folder = join(host.dataDir, 'postgres');
  makeServiceFolder(folder, host.user);
  const dataDir = join(folder, 'data');
  if (await stopLeftoverPostgres(host.runDir, dataDir)) say('Stopped the PostgreSQL of an earlier start.');
  const password = await loadOrCreateSecret(host.secretsDir, 'postgres-password');
  if (existsSync(dataDir)) requireVersion(dataDir);
  else createCluster({ binaries, folder, dataDir, password, settings });
  return listen(settings, binaries, dataDir, password);
}

async function listen(
  settings: PostgresSettings,
  binaries: string,
  dataDir: string,
  password: string,
): Promise<Postgres> {
  for (let attempt = 1; ; attempt += 1) {
    const port = settings.isPortFixed ? settings.preferredPort : await findFreePort(settings.preferredPort);
    const managed = await startProcess(processSettings(settings, binaries, dataDir, port));
    const urlOf = (database: string) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
    const version = await waitUntilReady(managed, urlOf('postgres'));
    // SIGINT is PostgreSQL's fast shutdown: sessions are cut, the data files are left clean.
    const stop = () => stopProcess(managed, 'SIGINT', STOP_TIMEOUT_MS);
    if (version !== undefined) return { process: managed, port, version, urlOf, stop };
    const log = lastLines(managed.logFile, 20);
    const lostPort = log.includes('could not bind') && !settings.isPortFixed && attempt < PORT_ATTEMPTS;
    if (!lostPort) throw new SetupError(`PostgreSQL did not start. The end of ${managed.logFile}:\n${log}`);
  }
}

function processSettings({ host, isDurable }: PostgresSettings, binaries: string, dataDir: string, port: number) {
  const options = {
    port,
    listen_addresses: '127.0.0.1',
    // Socket paths are limited to about 100 bytes, which a deep clone exceeds; TCP on loopback is enough.
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    max_connections: isDurable ? 200 : 400,
    ...(isDurable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return {
    name: 'PostgreSQL',
    command: join(binaries, 'postgres'),
    args: ['-D', dataDir, ...args],
    env: serverEnvironment(),
    cwd: '/',
    user: host.user,
    runDir: host.runDir,
    logFile: join(host.logsDir, 'postgres.log'),
  };
}

/** The server's version once it accepts connections; undefined when it ended instead. */
async function waitUntilReady(managed: ManagedProcess, url: string): Promise<string | undefined> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (managed.isRunning()) {
    const answer = await askVersion(url);
    if ('version' in answer) return answer.version;
    // 28P01, a wrong password: either waiting cannot help, or somebody else's server won the race for the port and ours
    // is about to end because of it.
    if (answer.code === '28P01' && (await becomesTrue(() => !managed.isRunning(), LOST_PORT_MS))) return undefined;
    if (answer.code === '28P01' || Date.now() > deadline) {
      await stopProcess(managed, 'SIGINT', STOP_TIMEOUT_MS);
      throw new SetupError(
        `PostgreSQL runs but refuses us (${answer.code}: ${answer.message}). See ${managed.logFile}.`,
      );
    }
    await delay(50);
  }
  return undefined;
}

async function askVersion(url: string): Promise<{ version: string } | { code: string; message: string }> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return { version: rows[0]?.server_version ?? MAJOR_VERSION };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code: code ?? 'no code', message };
  } finally {
    await client.end().catch(() => {});
  }
}

interface NewCluster {
  binaries: string;
  folder: string;
  dataDir: string;
  password: string;
  settings: PostgresSettings;
}

/** The cluster gets its name when it is complete: an interrupted creation starts over. */
function createCluster({ binaries, folder, dataDir, password, settings }: NewCluster): void {
  const { user } = settings.host;
  const partial = `${dataDir}.partial`;
  const passwordFile = join(folder, 'password');
  rmSync(partial, { recursive: true, force: true });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${USER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const sync = settings.isDurable ? [] : ['--no-sync'];
  const args = [`--pgdata=${partial}`, ...access, ...locale, ...sync];
  const ids = user && { uid: user.uid, gid: user.gid };
  const run = spawnSync(join(binaries, 'initdb'), args, {
    env: serverEnvironment(),
    cwd: '/',
    encoding: 'utf8',
    ...ids,
  });
  rmSync(passwordFile, { force: true });
  if (run.status !== 0) throw new SetupError(`PostgreSQL could not be set up: ${run.error?.message ?? run.stderr}`);
  renameSync(partial, dataDir);
}

function requireVersion(dataDir: string): void {
  const found = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').trim();
  if (found === MAJOR_VERSION) return;
  throw new SetupError(
    `The data in ${dataDir} was written by PostgreSQL ${found}; this version of Millrace brings PostgreSQL ${MAJOR_VERSION}. ` +
      'Dump it with the old version and restore it, or start with another MILLRACE_DATA_DIR.',
  );
}

/**
 * Nothing of ours: PGPORT, PGDATA and the like would change what the server does. glibc gives memory back to the system as soon
 * as 128 kB are free, and a call of claims or records takes and frees more than that: a tenth of PostgreSQL's time
 * (bench/README.md). A backend may keep 16 MB.
 */
function serverEnvironment(): NodeJS.ProcessEnv {
  const memory = { MALLOC_TOP_PAD_: String(2 ** 20), MALLOC_TRIM_THRESHOLD_: String(2 ** 24) };
  return { PATH: process.env.PATH, LC_ALL: 'C', ...memory };
}
