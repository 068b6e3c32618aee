import { dirname, join } from 'node:path';
import pg from 'pg';
import type { Programs } from '../scripts/build/programs.ts';
import { prepareHost } from '../scripts/services/host.ts';
import { createProgress } from '../scripts/start/progress.ts';
import { startPlatform } from '../scripts/start/stages.ts';
import { createSupervisor } from '../scripts/start/supervisor.ts';

export interface Stack {
  apiUrl: string;
  /** Superuser, for reading timestamps and for filling tables. */
  admin: pg.Client;
  /** As the superuser. */
  databaseUrl: string;
  redisUrl: string;
  queueName: string;
  programs: Programs;
  stop(): Promise<void>;
}

/**
 * The whole platform as `npm start` runs it (durable PostgreSQL, Redis with AOF, one API and one worker process), in a
 * data folder of its own and without the demo. Logs go to files at the level users have; `settings` go to the programs.
 * Two at once need a `folder` each.
 */
export async function startStack(settings: Record<string, string> = {}, folder = 'bench'): Promise<Stack> {
  const cloneDir = dirname(import.meta.dirname);
  const progress = createProgress(process.stdout);
  const supervisor = createSupervisor(progress.say);
  const dataDir = join(prepareHost(cloneDir, undefined, progress.say).dataDir, folder);
  const host = prepareHost(cloneDir, dataDir, progress.say);
  // Never somebody's server: the bench measures the machine it runs on.
  const env: NodeJS.ProcessEnv = { ...process.env, DATABASE_URL: undefined, REDIS_URL: undefined, ...settings };
  const platform = await startPlatform({ cloneDir, host, env, progress, supervisor, isEmpty: true, hasDemoIdp: false });
  const admin = new pg.Client({ connectionString: platform.ownerUrl });
  await admin.connect();
  return {
    apiUrl: platform.apiUrl,
    databaseUrl: platform.ownerUrl,
    redisUrl: platform.redisUrl,
    queueName: env.WORKFLOW_QUEUE_NAME || 'workflow-runs',
    programs: platform.programs,
    admin,
    async stop() {
      await admin.end();
      await supervisor.stopAll();
    },
  };
}
