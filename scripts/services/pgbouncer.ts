import { randomBytes } from 'node:crypto';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { SetupError } from './failure.ts';
import { type Host, makeServiceFolder } from './host.ts';
import { findOrInstall, type MachineProgram } from './machine-program.ts';
import { lastLines, type ManagedProcess, startProcess, stopLeftover, stopProcess } from './managed-process.ts';
import { findFreePort } from './ports.ts';

export const PGBOUNCER: MachineProgram = {
  title: 'PgBouncer',
  names: ['pgbouncer'],
  // Debian keeps it where only root looks.
  folders: ['/usr/sbin', '/usr/local/sbin'],
  packages: { 'apt-get': ['pgbouncer'], apk: ['pgbouncer'], dnf: ['pgbouncer'], brew: ['pgbouncer'] },
  advice: 'Install pgbouncer: the tests show with it that a pooler mixes no tenants.',
};

const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const PORT_ATTEMPTS = 5;
/** May ask the pooler how it is, and nothing else. */
const PROBE = 'millrace_probe';

export interface PgBouncerSettings {
  host: Host;
  preferredPort: number;
  /** The PostgreSQL behind it; only host and port count. */
  postgresUrl: string;
  /** Passwords by login; it takes these from clients and gives them to PostgreSQL. */
  logins: Record<string, string>;
  /** Connections to PostgreSQL for each pair of login and database. */
  poolSize: number;
  say: (line: string) => void;
}

export interface PgBouncer {
  process: ManagedProcess;
  port: number;
  /** The same login and database, by way of the pooler. */
  urlOf: (databaseUrl: string) => string;
  stop: () => Promise<void>;
}

/**
 * Starts a private PgBouncer in transaction mode on 127.0.0.1, installing the program when the machine has none. One that
 * a crashed run left running is stopped first. Throws SetupError with the end of its log.
 */
export async function startPgBouncer(settings: PgBouncerSettings): Promise<PgBouncer> {
  const { host, say } = settings;
  const command = findOrInstall(PGBOUNCER, say);
  const folder = join(host.dataDir, 'pgbouncer');
  makeServiceFolder(folder, host.user);
  if (await stopLeftover(host.runDir, 'PgBouncer', 'SIGTERM')) say('Stopped the PgBouncer of an earlier start.');
  const probePassword = randomBytes(16).toString('hex');
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort(settings.preferredPort);
    const config = writeConfig(settings, { folder, port, probePassword });
    const managed = await startProcess({ ...processSettings(host, command), args: [config], cwd: folder });
    const stop = () => stopProcess(managed, 'SIGTERM', STOP_TIMEOUT_MS);
    if (await becomesReady(managed, port, probePassword))
      return { process: managed, port, urlOf: throughPort(port), stop };
    await stop();
    const log = lastLines(managed.logFile, 20);
    const lostPort = log.includes('Address already in use') && attempt < PORT_ATTEMPTS;
    if (!lostPort) throw new SetupError(`PgBouncer did not start. The end of ${managed.logFile}:\n${log}`);
  }
}

function processSettings(host: Host, command: string) {
  return {
    name: 'PgBouncer',
    command,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    user: host.user, // it refuses to run as root
    runDir: host.runDir,
    logFile: join(host.logsDir, 'pgbouncer.log'),
  };
}

function throughPort(port: number) {
  return (databaseUrl: string) => {
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${port}`;
    return url.href;
  };
}

interface Placement {
  folder: string;
  port: number;
  probePassword: string;
}

function writeConfig(settings: PgBouncerSettings, { folder, port, probePassword }: Placement): string {
  const { postgresUrl, poolSize, logins, host } = settings;
  const postgres = new URL(postgresUrl);
  const passwords = Object.entries({ ...logins, [PROBE]: probePassword });
  const users = writePrivate(
    join(folder, 'users.txt'),
    passwords.map((pair) => pair.map(quote).join(' ')),
    host,
  );
  const lines = [
    '[databases]',
    `* = host=${postgres.hostname} port=${postgres.port || 5432}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    `stats_users = ${PROBE}`,
    'pool_mode = transaction',
    `default_pool_size = ${poolSize}`,
    'max_client_conn = 1000',
  ];
  return writePrivate(join(folder, 'pgbouncer.ini'), lines, host);
}

function writePrivate(file: string, lines: string[], { user }: Host): string {
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  if (user) chownSync(file, user.uid, user.gid);
  return file;
}

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** Asked with a password that only this start knows: a stranger on the port does not count as ready. */
async function becomesReady(managed: ManagedProcess, port: number, password: string): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (managed.isRunning() && Date.now() < deadline) {
    if (await answers(port, password)) return true;
    await delay(25);
  }
  return false;
}

async function answers(port: number, password: string): Promise<boolean> {
  const settings = { host: '127.0.0.1', port, user: PROBE, password, database: 'pgbouncer' };
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SHOW VERSION');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
