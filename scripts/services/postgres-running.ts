import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './host.ts';
import { commandLineOf, identifyProcess } from './process-identity.ts';

/**
 * Superuser connection string of a database on the embedded PostgreSQL that is running on this host's data folder right
 * now; undefined when none is. Starts and changes nothing.
 */
export function findRunningPostgres({ dataDir, secretsDir }: Host, database: string): string | undefined {
  const files = join(dataDir, 'postgres', 'data');
  const pidFile = join(files, 'postmaster.pid');
  const passwordFile = join(secretsDir, 'postgres-password');
  if (!existsSync(pidFile) || !existsSync(passwordFile)) return undefined;
  // https://www.postgresql.org/docs/18/storage-file-layout.html: pid, data directory, start time and port, a line each.
  const [pid, , , port] = readFileSync(pidFile, 'utf8').split('\n');
  const isOurs = identifyProcess(Number(pid)) !== undefined && commandLineOf(Number(pid)).includes(files);
  if (!isOurs || !port) return undefined;
  return `postgres://postgres:${readFileSync(passwordFile, 'utf8')}@127.0.0.1:${port}/${database}`;
}
