import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError } from './failure.ts';

/** A server program that the machine has, or that its package manager brings. */
export interface MachineProgram {
  /** As people call it: "Redis". */
  title: string;
  /** Names of the executable, the preferred one first. */
  names: string[];
  /** Looked through after the PATH. */
  folders: string[];
  /** What to install, by package manager; several packages are tried in order until one ends well. */
  packages: Record<ManagerName, string[]>;
  /** What a person can do when it cannot be had: a sentence. */
  advice: string;
}

/**
 * The path of the program; installs it with the machine's package manager, after saying so, when there is none. Throws
 * SetupError, with the advice, when that cannot be done.
 */
export function findOrInstall(program: MachineProgram, say: (line: string) => void): string {
  return findServer(program) ?? install(program, say);
}

function findServer({ names, folders }: MachineProgram): string | undefined {
  return names.map((name) => findProgram(name, folders)).find((path) => path !== undefined);
}

function findProgram(name: string, folders: string[] = []): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return [...path, ...folders].map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

type ManagerName = 'apt-get' | 'apk' | 'dnf' | 'brew';

interface PackageManager {
  program: ManagerName;
  needsRoot: boolean;
  /** The words before the package's name. */
  install: string[];
  /** Before a second round of installs: package lists may be missing or old. */
  refresh?: string[];
}

const MANAGERS: PackageManager[] = [
  {
    program: 'apt-get',
    needsRoot: true,
    install: ['install', '-y', '-q', '--no-install-recommends'],
    refresh: ['update', '-q'],
  },
  { program: 'apk', needsRoot: true, install: ['add', '--no-cache'] },
  { program: 'dnf', needsRoot: true, install: ['install', '-y', '-q'] },
  { program: 'brew', needsRoot: false, install: ['install', '--quiet'] },
];

function install(wanted: MachineProgram, say: (line: string) => void): string {
  const { title, names, advice } = wanted;
  const missing = names.join(' or ');
  const manager = MANAGERS.find(({ program }) => findProgram(program) !== undefined);
  if (!manager) throw new SetupError(`There is no ${missing} on this machine. ${advice}`);
  const prefix = privilege(manager);
  if (!prefix) throw new SetupError(`There is no ${missing} on this machine, and installing it needs root. ${advice}`);
  say(`Installing ${title} with ${manager.program}, because this machine has no ${missing}.`);
  let complaints = '';
  for (const args of attemptsOf(manager, wanted)) {
    const run = runProgram([...prefix, manager.program, ...args]);
    complaints = run.stderr || complaints;
    const path = run.status === 0 ? findServer(wanted) : undefined;
    if (path === undefined) continue;
    stopSystemService(prefix, names);
    return path;
  }
  throw new SetupError(`${complaints.trim()}\n${title} could not be installed with ${manager.program}. ${advice}`);
}

function attemptsOf({ program, install, refresh }: PackageManager, { packages }: MachineProgram): string[][] {
  const installs = packages[program].map((name) => [...install, name]);
  return refresh ? [...installs, refresh, ...installs] : installs;
}

/** The words to put before a command so that it runs with the rights it needs; undefined when we cannot have them. */
function privilege({ needsRoot }: PackageManager): string[] | undefined {
  if (!needsRoot || process.getuid?.() === 0) return [];
  // The variable is named again because sudo clears the environment.
  const sudo = ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'];
  return runProgram([...sudo, 'true']).status === 0 ? sudo : undefined;
}

/** Debian starts what it installs. We only wanted the program, and nobody asked for a second server on the machine. */
function stopSystemService(prefix: string[], services: string[]): void {
  for (const service of services) {
    runProgram([...prefix, 'systemctl', 'disable', '--now', service]);
    if (findProgram('systemctl') === undefined) runProgram([...prefix, 'service', service, 'stop']);
  }
}

function runProgram([command = '', ...args]: string[]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' };
  return spawnSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
}
