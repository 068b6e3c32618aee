import { DATABASE_NAME } from '../start/database.ts';
import { SetupError } from './failure.ts';
import { prepareHost } from './host.ts';
import { findRunningPostgres } from './postgres-running.ts';

/** The owner's connection string: DATABASE_URL, or that of the server `npm start` is running. Throws SetupError without one. */
export function findDatabase(cloneDir: string, env: NodeJS.ProcessEnv): string {
  if (env.DATABASE_URL) return env.DATABASE_URL;
  const host = prepareHost(cloneDir, env.MILLRACE_DATA_DIR || undefined, () => {});
  const url = findRunningPostgres(host, DATABASE_NAME);
  if (url === undefined)
    throw new SetupError(`No PostgreSQL runs on ${host.dataDir}. Run npm start, or set DATABASE_URL.`);
  return url;
}
