import { join } from 'node:path';
import { type Postgres, startPostgres } from '../services/postgres.ts';
import { type Redis, startRedis } from '../services/redis.ts';
import { buildWeb } from '../web/build.ts';
import type { StartContext } from './context.ts';
import { createDatabase, DATABASE_NAME, type Database, isDatabaseUnused, prepareDatabase } from './database.ts';
import { readDemoNote } from './demo.ts';
import { type Echo, startEcho } from './demo-echo.ts';
import { assertDemoIdpFits, type DemoIdp, launchDemoIdp } from './demo-idp.ts';
import { launchPrograms } from './launch-programs.ts';
import { stopLeftoverPrograms } from './programs.ts';

const POSTGRES_PORT = 5433;
const REDIS_PORT = 6380;

export interface Platform {
  apiUrl: string;
  apiPort: number;
  /** What people open. */
  webUrl: string;
  /** The database's owner; programs never see it. */
  ownerUrl: string;
  redisUrl: string;
  echo: Echo | undefined;
  demoIdp: DemoIdp | undefined;
}

/** Everything up to the web app, in order, each kept running by the supervisor. */
export async function startPlatform(context: StartContext): Promise<Platform> {
  if (context.hasDemoIdp) assertDemoIdpFits(context.env);
  const webBuild = buildWeb(context.cloneDir);
  webBuild.catch(() => {}); // told when its turn comes, unless something else fails first
  await stopLeftoverPrograms(context.host.runDir, context.progress.say);
  const postgres = context.env.DATABASE_URL ? undefined : await launchPostgres(context);
  const ownerUrl = context.env.DATABASE_URL || postgres?.urlOf(DATABASE_NAME) || '';
  const redisUrl = context.env.REDIS_URL || (await launchRedis(context)).url;
  const database = await migrate(context, ownerUrl, postgres);
  const echo = postgres && (await wantsDemo(context, ownerUrl)) ? await launchEcho(context) : undefined;
  const demoIdp = context.hasDemoIdp ? await startIdp(context) : undefined;
  const api = await launchPrograms(context, { database, redisUrl, echo, demoIdp, webBuild });
  return { ...api, ownerUrl, redisUrl, echo, demoIdp };
}

function launchPostgres({ host, progress, supervisor }: StartContext): Promise<Postgres> {
  const settings = { host, isDurable: true, say: progress.say };
  const describe = ({ version, port }: Postgres) => `PostgreSQL ${version} on 127.0.0.1:${port}`;
  let port = POSTGRES_PORT;
  const start = async () => {
    const postgres = await startPostgres({ ...settings, preferredPort: port });
    port = postgres.port;
    await createDatabase(postgres.urlOf('postgres'));
    return postgres;
  };
  // The programs know the port by then.
  const restart = () => startPostgres({ ...settings, preferredPort: port, isPortFixed: true });
  return progress.stage('PostgreSQL', () => supervisor.launch('PostgreSQL', start, restart), describe);
}

function launchRedis({ host, progress, supervisor }: StartContext): Promise<Redis> {
  const settings = { host, say: progress.say };
  const describe = ({ version, port }: Redis) => `${version} on 127.0.0.1:${port}`;
  let port = REDIS_PORT;
  const start = async () => {
    const redis = await startRedis({ ...settings, preferredPort: port });
    port = redis.port;
    return redis;
  };
  const restart = () => startRedis({ ...settings, preferredPort: port, isPortFixed: true });
  return progress.stage('Redis', () => supervisor.launch('Redis', start, restart), describe);
}

function migrate(context: StartContext, ownerUrl: string, postgres: Postgres | undefined): Promise<Database> {
  const { env, host, progress } = context;
  // With the embedded server these two belong to some other database.
  const given = postgres ? {} : env;
  const settings = {
    ownerUrl,
    apiUrl: given.API_DATABASE_URL || undefined,
    workerUrl: given.WORKER_DATABASE_URL || undefined,
    secretsDir: host.secretsDir,
  };
  const describe = ({ appliedCount }: Database) =>
    appliedCount === 0 ? 'Database schema is up to date' : `Database schema: ${appliedCount} migrations applied`;
  return progress.stage('Migrations', () => prepareDatabase(settings), describe);
}

async function wantsDemo({ isEmpty, host }: StartContext, ownerUrl: string): Promise<boolean> {
  if (isEmpty) return false;
  return readDemoNote(host.dataDir) !== undefined || (await isDatabaseUnused(ownerUrl));
}

function launchEcho({ host, progress }: StartContext): Promise<Echo> {
  const describe = ({ url, port }: Echo) =>
    `Echo server of the demo on ${url}; steps may reach 127.0.0.1/32:${port} and no other private address`;
  return progress.stage('Echo server', () => startEcho(join(host.logsDir, 'demo-echo.log')), describe);
}

function startIdp(context: StartContext): Promise<DemoIdp> {
  const describe = ({ issuer }: DemoIdp) => `Demo sign-in provider on ${issuer}; it believes every address`;
  return context.progress.stage('Demo sign-in provider', () => launchDemoIdp(context), describe);
}
