import { spawnSync } from 'node:child_process';
import { SetupError } from './failure.ts';
import { findOrInstall, type MachineProgram } from './machine-program.ts';

/** BullMQ's minimum. */
const OLDEST_VERSION = [6, 2];

const REDIS: MachineProgram = {
  title: 'Redis',
  names: ['redis-server', 'valkey-server'],
  folders: [],
  packages: { 'apt-get': ['redis-server'], apk: ['valkey', 'redis'], dnf: ['valkey', 'redis'], brew: ['valkey'] },
  advice: 'Install redis-server or valkey-server, or set REDIS_URL to a server of yours.',
};

export interface RedisProgram {
  path: string;
  version: string;
}

/** The machine's Redis or Valkey; installs one with the machine's package manager, after saying so, when there is none. */
export function findOrInstallRedis(say: (line: string) => void): RedisProgram {
  const path = findOrInstall(REDIS, say);
  const output = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const [, name = 'Redis', version = ''] = /^(\w+) server v=([\d.]+)/i.exec(output) ?? [];
  if (isOlder(version)) {
    throw new SetupError(
      `${path} is version ${version}; Millrace needs ${OLDEST_VERSION.join('.')} or newer. ${REDIS.advice}`,
    );
  }
  return { path, version: `${name} ${version}` };
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_VERSION;
  return version !== '' && (major < oldestMajor || (major === oldestMajor && minor < oldestMinor));
}
