import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from './failure.ts';
import { type Host, makeServiceFolder, type ServiceUser } from './host.ts';
import { lastLines, type ManagedProcess, startProcess, stopLeftover, stopProcess } from './managed-process.ts';
import { findFreePort } from './ports.ts';
import { askRedis } from './redis-connection.ts';
import { findOrInstallRedis } from './redis-program.ts';
import { loadOrCreateSecret } from './secrets.ts';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const PORT_ATTEMPTS = 5;

export interface RedisSettings {
  host: Host;
  preferredPort: number;
  /** True: this port or none, for a restart under programs that know it already. */
  isPortFixed?: boolean;
  say: (line: string) => void;
}

export interface Redis {
  process: ManagedProcess;
  port: number;
  /** "Redis 7.0.15" or "Valkey 8.1.4". */
  version: string;
  url: string;
  stop: () => Promise<void>;
}

/**
 * Starts a private Redis on 127.0.0.1 with a password, AOF on and no eviction, its files in the data folder. One that a
 * crashed start left running is stopped first. Files that it refuses to read are set aside, and it starts empty: it holds
 * wake-ups and counters, no run. Throws SetupError with the end of the server's log.
 */
export async function startRedis(settings: RedisSettings): Promise<Redis> {
  const { host, say } = settings;
  const program = findOrInstallRedis(say);
  const folder = join(host.dataDir, 'redis');
  makeServiceFolder(folder, host.user);
  if (await stopLeftover(host.runDir, 'Redis', 'SIGTERM')) say('Stopped the Redis of an earlier start.');
  const password = await loadOrCreateSecret(host.secretsDir, 'redis-password');
  let hasSetAside = false;
  for (let attempt = 1; ; attempt += 1) {
    const port = settings.isPortFixed ? settings.preferredPort : await findFreePort(settings.preferredPort);
    const config = writeConfig({ folder, port, password, user: host.user });
    const managed = await startProcess({ ...processSettings(host, program.path), args: [config], cwd: folder });
    const url = `redis://:${password}@127.0.0.1:${port}/0`;
    const stop = () => stopProcess(managed, 'SIGTERM', STOP_TIMEOUT_MS);
    if (await becomesReady(managed, port, password))
      return { process: managed, port, version: program.version, url, stop };
    await stop();
    if (!hasSetAside && existsSync(join(folder, APPEND_ONLY)) && REFUSED_FILES.test(managed.readOwnLog())) {
      say(setAside(folder));
      hasSetAside = true;
      continue;
    }
    const log = lastLines(managed.logFile, 20);
    const lostPort = log.includes('Address already in use') && !settings.isPortFixed && attempt < PORT_ATTEMPTS;
    if (!lostPort) throw new SetupError(`Redis did not start. The end of ${managed.logFile}:\n${log}`);
  }
}

/**
 * What Redis 7 to 8 and Valkey say before they end, because a file is damaged. Only the end of the newest one may be missing; a full
 * disk during a rewrite leaves several, and the one before the newest without its end.
 */
const REFUSED_FILES =
  /(Bad file format|Unexpected end of file) reading the append only file|Error reading the RDB preamble of the AOF|AOF file \S+ doesn't exist|Invalid AOF manifest|Fatal error loading the DB/;

const APPEND_ONLY = 'appendonlydir';

function setAside(folder: string): string {
  const aside = join(folder, `${APPEND_ONLY}-unreadable-${Date.now()}`);
  renameSync(join(folder, APPEND_ONLY), aside);
  return `Redis could not read its append-only files, as after a full disk. They are kept in ${aside}; it starts empty. No run is lost.`;
}

function processSettings(host: Host, command: string) {
  return {
    name: 'Redis',
    command,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    user: canRun(command, host.user) ? host.user : undefined,
    runDir: host.runDir,
    logFile: join(host.logsDir, 'redis.log'),
  };
}

/** A Redis that was installed below somebody's home cannot be run by the system user; then it runs as we do. */
function canRun(command: string, user: ServiceUser | undefined): boolean {
  return (
    user !== undefined && spawnSync(command, ['--version'], { uid: user.uid, gid: user.gid, cwd: '/' }).status === 0
  );
}

interface RedisConfig {
  folder: string;
  port: number;
  password: string;
  user: ServiceUser | undefined;
}

/** A file and not arguments, because everybody on the machine can read a process's arguments. */
function writeConfig({ folder, port, password, user }: RedisConfig): string {
  const file = join(folder, 'redis.conf');
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(folder)}`,
    'daemonize no',
    'save ""',
    'appendonly yes',
    'appendfsync everysec',
    // Losing a key to make room would lose a wake-up silently; an error is seen and answered with 503.
    'maxmemory-policy noeviction',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  if (user) chownSync(file, user.uid, user.gid);
  return file;
}

async function becomesReady(managed: ManagedProcess, port: number, password: string): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (managed.isRunning() && Date.now() < deadline) {
    // While it loads its files it answers with an error, which counts as not ready.
    const reply = await askRedis(port, password, ['PING']).catch(() => '');
    if (reply.startsWith('+PONG')) return true;
    await delay(50);
  }
  return false;
}
