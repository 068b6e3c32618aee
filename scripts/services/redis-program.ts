import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError } from './failure.ts';

const PROGRAMS = ['redis-server', 'valkey-server'];
/** BullMQ's minimum. */
const OLDEST_VERSION = [6, 2];

export interface RedisProgram {
  path: string;
  version: string;
}

/** The machine's Redis or Valkey; installs one with the machine's package manager, after saying so, when there is none. */
export function findOrInstallRedis(say: (line: string) => void): RedisProgram {
  const path = findRedis() ?? installRedis(say);
  const output = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const [, name = 'Redis', version = ''] = /^(\w+) server v=([\d.]+)/i.exec(output) ?? [];
  if (isOlder(version)) {
    throw new SetupError(
      `${path} is version ${version}; Millrace needs ${OLDEST_VERSION.join('.')} or newer. ${ADVICE}`,
    );
  }
  return { path, version: `${name} ${version}` };
}

const ADVICE = 'Install redis-server or valkey-server, or set REDIS_URL to a server of yours.';

function findRedis(): string | undefined {
  return PROGRAMS.map((name) => findProgram(name)).find((path) => path !== undefined);
}

function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_VERSION;
  return version !== '' && (major < oldestMajor || (major === oldestMajor && minor < oldestMinor));
}

interface PackageManager {
  program: string;
  needsRoot: boolean;
  /** Tried in order until one ends well. */
  installs: string[][];
  /** Before a second round of installs: package lists may be missing or old. */
  refresh?: string[];
}

const MANAGERS: PackageManager[] = [
  {
    program: 'apt-get',
    needsRoot: true,
    installs: [['install', '-y', '-q', '--no-install-recommends', 'redis-server']],
    refresh: ['update', '-q'],
  },
  {
    program: 'apk',
    needsRoot: true,
    installs: [
      ['add', '--no-cache', 'valkey'],
      ['add', '--no-cache', 'redis'],
    ],
  },
  {
    program: 'dnf',
    needsRoot: true,
    installs: [
      ['install', '-y', '-q', 'valkey'],
      ['install', '-y', '-q', 'redis'],
    ],
  },
  { program: 'brew', needsRoot: false, installs: [['install', '--quiet', 'valkey']] },
];

function installRedis(say: (line: string) => void): string {
  const manager = MANAGERS.find(({ program }) => findProgram(program) !== undefined);
  if (!manager) throw new SetupError(`There is no redis-server or valkey-server on this machine. ${ADVICE}`);
  const prefix = privilege(manager);
  if (!prefix)
    throw new SetupError(`There is no redis-server on this machine, and installing it needs root. ${ADVICE}`);
  say(`Installing Redis with ${manager.program}, because this machine has no redis-server or valkey-server.`);
  let complaints = '';
  for (const args of attemptsOf(manager)) {
    const run = runProgram([...prefix, manager.program, ...args]);
    complaints = run.stderr || complaints;
    const path = run.status === 0 ? findRedis() : undefined;
    if (path === undefined) continue;
    stopSystemService(prefix);
    return path;
  }
  throw new SetupError(`${complaints.trim()}\nRedis could not be installed with ${manager.program}. ${ADVICE}`);
}

function attemptsOf({ installs, refresh }: PackageManager): string[][] {
  return refresh ? [...installs, refresh, ...installs] : installs;
}

/** The words to put before a command so that it runs with the rights it needs; undefined when we cannot have them. */
function privilege({ needsRoot }: PackageManager): string[] | undefined {
  if (!needsRoot || process.getuid?.() === 0) return [];
  // The variable is named again because sudo clears the environment.
  const sudo = ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'];
  return runProgram([...sudo, 'true']).status === 0 ? sudo : undefined;
}

/** Debian starts what it installs. We only wanted the program, and nobody asked for a second Redis on the machine. */
function stopSystemService(prefix: string[]): void {
  for (const service of PROGRAMS) {
    runProgram([...prefix, 'systemctl', 'disable', '--now', service]);
    if (findProgram('systemctl') === undefined) runProgram([...prefix, 'service', service, 'stop']);
  }
}

function runProgram([command = '', ...args]: string[]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' };
  return spawnSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
}
