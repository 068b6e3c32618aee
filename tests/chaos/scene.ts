import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { eventually, type FaultProxy, startFaultProxy } from '../../packages/queue/src/testing.ts';
import { killProcess } from '../../scripts/services/managed-process.ts';
import { type Postgres, startPostgres } from '../../scripts/services/postgres.ts';
import { createTestHost } from '../../scripts/services/testing.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from '../platform.ts';
import { type ChaosEcho, startChaosEcho } from './echo.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

const PREFERRED_PORT = 15_470;
const REVIVE_MS = 120_000;

/** The place of one program: whoever is killed there has a successor. */
export interface Place<P extends Program = Program> {
  role: 'api' | 'worker';
  /** Null while it is down. */
  program: P | null;
  isFrozen: boolean;
  /** All that ran here. */
  past: P[];
  /** When it was killed; epoch milliseconds. */
  killedAt: number[];
}

/** Two APIs and two workers of their own on a PostgreSQL and a Redis of their own, all of which may be hurt. */
export interface Scene {
  platform: TestPlatform;
  echo: ChaosEcho;
  redisProxy: FaultProxy;
  /** In a long run only. */
  postgresProxy: FaultProxy | null;
  disk: SmallDisk | null;
  apis: Place<Api>[];
  workers: Place[];
  /** As the superuser, on a connection of this call alone: the server may just have come back. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Immediate shutdown, as after a crash; `downMs` later it is started again on the same data. */
  restartPostgres(downMs: number): Promise<void>;
  /** Waits until it answers, and starts it when a full disk has ended it. */
  revivePostgres(): Promise<void>;
  /** From when to when it did not run; epoch milliseconds. */
  outages: { from: number; to: number }[];
  /** Starts the successor, with settings of its own, as soon as what it needs is up. */
  fill(place: Place, settings?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
}

/** `isFull`: also with what only a long run hurts, see full-faults.ts. */
export async function openScene(isFull: boolean): Promise<Scene> {
  const disk = isFull ? mountSmallDisk() : null;
  const { settings, remove } = hostOn(disk);
  let postgres: Postgres = await startPostgres({ ...settings, preferredPort: PREFERRED_PORT });
  const echo = await startChaosEcho();
  const { platform, redisProxy, postgresProxy } = await preparePlaces(postgres, echo, isFull);
  const startAgain = async () => {
    postgres = await startPostgres({ ...settings, preferredPort: postgres.port, isPortFixed: true });
  };
  const scene: Scene = {
    ...{ platform, echo, redisProxy, postgresProxy, disk },
    apis: [newPlace<Api>('api'), newPlace<Api>('api')],
    workers: [newPlace('worker'), newPlace('worker')],
    query: (text, values) => queryOnce(platform.database.adminUrl, text, values),
    outages: [],
    async restartPostgres(downMs) {
      const from = Date.now();
      killProcess(postgres.process, 'SIGQUIT');
      await postgres.process.ended;
      await pause(downMs);
      await startAgain();
      scene.outages.push({ from, to: Date.now() });
    },
    async revivePostgres() {
      const from = Date.now();
      const answers = async () => {
        if (!postgres.process.isRunning()) await startAgain();
        return scene.query('SELECT 1').catch(() => null);
      };
      await eventually('PostgreSQL to answer', answers, REVIVE_MS);
      scene.outages.push({ from, to: Date.now() });
    },
    fill: (place, own) => fill(platform, place, own),
    async stop() {
      await platform.stop();
      await Promise.all([redisProxy.stop(), postgresProxy?.stop()]);
      echo.close();
      await postgres.stop();
      remove();
    },
  };
  try {
    await Promise.all([...scene.apis, ...scene.workers].map((place) => scene.fill(place)));
    return scene;
  } catch (error) {
    await scene.stop();
    throw error;
  }
}

function hostOn(disk: SmallDisk | null) {
  const host = createTestHost();
  const folder = host.dataDir;
  if (disk) {
    const dataDir = join(disk.folder, 'data');
    mkdirSync(dataDir, { mode: 0o755 });
    // Redis makes its folder where temporary files go.
    process.env.TMPDIR = disk.folder;
    Object.assign(host, { dataDir });
  }
  // Without fsync: what a killed server wrote is safe with the operating system, which nobody kills here.
  const settings = { host, isDurable: false, say: () => {} };
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    disk?.remove();
  };
  return { settings, remove };
}

async function preparePlaces(postgres: Postgres, echo: ChaosEcho, isFull: boolean) {
  const platform = await preparePlatform(
    // A long run outlives a token of the usual length.
    { EGRESS_ALLOW_CIDRS: `127.0.0.1/32:${echo.port}`, ACCESS_TOKEN_TTL_SEC: '86400' },
    postgres.urlOf('postgres'),
  );
  // What a long run writes has to fit onto the small disk beside what it keeps.
  await queryOnce(platform.database.adminUrl, "ALTER SYSTEM SET max_wal_size = '256MB'");
  await queryOnce(platform.database.adminUrl, 'SELECT pg_reload_conf()');
  // A commit that was answered is in the log of the server, also when it dies at once.
  await queryOnce(platform.database.adminUrl, `ALTER DATABASE ${platform.database.name} SET synchronous_commit = on`);
  const redisProxy = await startFaultProxy(platform.redis.port);
  platform.env.REDIS_URL = `redis://127.0.0.1:${redisProxy.port}`;
  const postgresProxy = isFull ? await startFaultProxy(postgres.port) : null;
  for (const name of ['API_DATABASE_URL', 'WORKER_DATABASE_URL'])
    if (postgresProxy) platform.env[name] = throughPort(platform.env[name] ?? '', postgresProxy.port);
  return { platform, redisProxy, postgresProxy };
}

function throughPort(text: string, port: number): string {
  const url = new URL(text);
  url.port = String(port);
  return url.href;
}

function newPlace<P extends Program>(role: Place['role']): Place<P> {
  return { role, program: null, isFrozen: false, past: [], killedAt: [] };
}

/** PostgreSQL may be away for 10 s, and then needs time to recover. */
const START_TRIES = 200;

/** A program does not start without its database, which may be away just now: whoever runs it tries again. */
async function fill(platform: TestPlatform, place: Place, settings?: Record<string, string>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const start = place.role === 'api' ? platform.startApi : platform.startWorker;
      place.program = await start(settings);
      place.past.push(place.program);
      return;
    } catch (error) {
      if (tries === START_TRIES) throw error;
      await pause(200);
    }
  }
}

async function queryOnce<Row>(url: string, text: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end().catch(() => {});
  }
}
