import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, prepareHost } from './host.ts';
import { killProcess, type ManagedProcess, stopLeftover } from './managed-process.ts';
import { startPostgres } from './postgres.ts';
import { stopLeftoverPostgres } from './postgres-leftover.ts';
import { identifyProcess } from './process-identity.ts';
import { describeProcess, findLiving } from './process-note.ts';
import { startRedis } from './redis.ts';

/** Away from the ports that `npm start` prefers, so that tests never take one from it. */
const POSTGRES_PORT = 15_433;
const REDIS_PORT = 16_380;
const FOLDER = 'tests';
const OWNER_NOTE = 'owner.json';

interface TestService {
  url: string;
  stop: () => Promise<void>;
}

export interface TestServices {
  /** The url is that of the superuser. */
  startPostgres: () => Promise<TestService>;
  startRedis: () => Promise<TestService>;
  /** Deletes everything the services wrote; stop them first. */
  remove: () => void;
  /** For a process that is about to exit and cannot wait: tells what still runs to end at once. */
  abandon: () => void;
}

/**
 * Throwaway services of one test run, in a folder of their own beside the clone's data. Cleans up after earlier runs that
 * were killed: what they left running is stopped, their files are deleted.
 */
export async function prepareTestServices(cloneDir: string, say: (line: string) => void): Promise<TestServices> {
  const clone = prepareHost(cloneDir, undefined, say);
  await removeLeftovers(cloneDir);
  const folder = newTestFolder(clone.dataDir);
  const host: Host = { ...prepareHost(cloneDir, folder, say), binariesDir: clone.binariesDir };
  writeFileSync(join(host.runDir, OWNER_NOTE), describeProcess(process.pid));
  const started: ManagedProcess[] = [];
  return {
    startPostgres: async () => {
      const postgres = await startPostgres({ host, preferredPort: POSTGRES_PORT, isDurable: false, say });
      started.push(postgres.process);
      return { url: postgres.urlOf('postgres'), stop: postgres.stop };
    },
    startRedis: async () => {
      const redis = await startRedis({ host, preferredPort: REDIS_PORT, say });
      started.push(redis.process);
      return redis;
    },
    remove: () => rmSync(host.dataDir, { recursive: true, force: true }),
    // SIGQUIT is PostgreSQL's immediate shutdown, and ends a Redis too.
    abandon: () => started.map((service) => killProcess(service, 'SIGQUIT')),
  };
}

/** A path for the throwaway data of this process; its name says whose it is. */
export function newTestFolder(cloneDataDir: string): string {
  return join(cloneDataDir, FOLDER, `${process.pid}-${randomUUID().slice(0, 8)}`);
}

/** Stops what killed test runs of this clone left running and deletes their files; those that still run are left alone. */
export async function removeLeftovers(cloneDir: string): Promise<void> {
  const parent = join(prepareHost(cloneDir, undefined, () => {}).dataDir, FOLDER);
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const folder = join(parent, name);
    const runDir = join(folder, 'run');
    if (isInUse(runDir, name)) continue;
    for (const program of ['Worker', 'API', 'PgBouncer', 'Redis']) await stopLeftover(runDir, program, 'SIGTERM');
    await stopLeftoverPostgres(runDir, join(folder, 'postgres', 'data'));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The note also tells a later process with the same pid apart; folders of single tests have only their name. */
function isInUse(runDir: string, name: string): boolean {
  const note = join(runDir, OWNER_NOTE);
  if (existsSync(note)) return findLiving(note) !== undefined;
  return identifyProcess(Number.parseInt(name, 10)) !== undefined;
}
