import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SetupError } from './failure.ts';

const ROOT_HOME = '/var/lib/millrace';
const USER_NAME = 'millrace';

export interface ServiceUser {
  name: string;
  uid: number;
  gid: number;
}

/** Where the data of one clone lives on this machine and who runs PostgreSQL and Redis. */
export interface Host {
  dataDir: string;
  logsDir: string;
  runDir: string;
  secretsDir: string;
  /** Where PostgreSQL's programs are copied when they cannot be used in node_modules. */
  binariesDir: string;
  /** Set when we are root: PostgreSQL refuses to run as root, and Redis has no need to. */
  user: ServiceUser | undefined;
}

/**
 * Decides where data goes and makes the folders. Not root: `requested`, default `.millrace` in the clone. Root: the same
 * when `requested` is set and the system user can reach it, else a folder of this clone under /var/lib/millrace.
 * Folders that exist already keep their owner and mode. `say` is told everything done outside the clone.
 */
export function prepareHost(cloneDir: string, requested: string | undefined, say: (line: string) => void): Host {
  const user = process.getuid?.() === 0 ? findOrCreateUser(say) : undefined;
  const dataDir = user ? rootDataDir(cloneDir, requested, user, say) : ownDataDir(cloneDir, requested);
  const host = {
    dataDir,
    logsDir: join(dataDir, 'logs'),
    runDir: join(dataDir, 'run'),
    secretsDir: join(dataDir, 'secrets'),
    binariesDir: dataDir,
    user,
  };
  for (const folder of [host.logsDir, host.runDir, host.secretsDir]) makeFolder(folder, 0o700);
  return host;
}

/** Makes a folder that only the user who runs the services can read; an existing one stays as it is. */
export function makeServiceFolder(folder: string, user: ServiceUser | undefined): void {
  if (makeFolder(folder, 0o700) && user) chownSync(folder, user.uid, user.gid);
}

function ownDataDir(cloneDir: string, requested: string | undefined): string {
  const dataDir = resolve(cloneDir, requested ?? '.millrace');
  makeFolder(dataDir, 0o700);
  return dataDir;
}

function rootDataDir(cloneDir: string, requested: string | undefined, user: ServiceUser, say: (line: string) => void) {
  const wanted = requested === undefined ? undefined : resolve(cloneDir, requested);
  if (wanted !== undefined && canReach(wanted, user)) {
    makeFolder(wanted, 0o755);
    return wanted;
  }
  if (wanted !== undefined) say(`The system user "${user.name}" cannot reach ${wanted}, so it is not used.`);
  const identity = wanted ?? cloneIdentity(cloneDir);
  const dataDir = join(ROOT_HOME, createHash('sha256').update(identity).digest('hex').slice(0, 12));
  makeFolder(ROOT_HOME, 0o755);
  makeFolder(dataDir, 0o755);
  say(`Running as root: data is in ${dataDir}, PostgreSQL and Redis run as the system user "${user.name}".`);
  return dataDir;
}

/** Kept in the clone, so that deleting the clone and making it again starts afresh, as it does for other users. */
function cloneIdentity(cloneDir: string): string {
  const folder = join(cloneDir, '.millrace');
  const file = join(folder, 'id');
  if (!existsSync(file)) {
    const { uid, gid } = statSync(cloneDir);
    // The owner of the clone may start Millrace without root later and needs this folder then.
    if (makeFolder(folder, 0o700)) chownSync(folder, uid, gid);
    unlessExists(() => writeFileSync(file, randomUUID(), { flag: 'wx' }));
    chownSync(file, uid, gid);
  }
  return `${cloneDir}\n${readFileSync(file, 'utf8').trim()}`;
}

/** Whether the user may enter the nearest folder on the way that exists already. */
function canReach(folder: string, user: ServiceUser): boolean {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { uid, gid } = user;
  return spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', existing], { uid, gid, cwd: '/' }).status === 0;
}

function findOrCreateUser(say: (line: string) => void): ServiceUser {
  if (process.platform !== 'linux')
    throw new SetupError('Start Millrace as an ordinary user on this system, not as root.');
  const found = findUser();
  if (found) return found;
  say(`Running as root: creating the system user "${USER_NAME}" for PostgreSQL and Redis.`);
  for (const [command, ...args] of createUserCommands()) {
    spawnSync(command, args, { stdio: 'ignore' });
    const created = findUser();
    if (created) return created;
  }
  throw new SetupError(
    `The system user "${USER_NAME}" could not be created; create it, or start Millrace without root.`,
  );
}

function createUserCommands(): [string, ...string[]][] {
  const home = ['-H', '-h', ROOT_HOME, '-s', '/sbin/nologin'];
  return [
    ['useradd', '--system', '--user-group', '--no-create-home', '-d', ROOT_HOME, '-s', '/usr/sbin/nologin', USER_NAME],
    // BusyBox (Alpine) has these instead.
    ['addgroup', '-S', USER_NAME],
    ['adduser', '-S', '-D', ...home, '-G', USER_NAME, USER_NAME],
  ];
}

function findUser(): ServiceUser | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    spawnSync('id', [flag, USER_NAME], { encoding: 'utf8' }).stdout?.trim(),
  );
  return uid && gid ? { name: USER_NAME, uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Makes a folder with exactly this mode whatever the umask; false when it existed, which then stays untouched. */
function makeFolder(folder: string, mode: number): boolean {
  if (existsSync(folder)) return false;
  makeFolder(dirname(folder), 0o755);
  const isNew = unlessExists(() => mkdirSync(folder, { mode }));
  if (isNew) chmodSync(folder, mode);
  return isNew;
}

/** Another start may be creating the same thing at this moment: the first one wins, the other takes what it made. */
function unlessExists(create: () => void): boolean {
  try {
    create();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
