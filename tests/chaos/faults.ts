import { setTimeout as pause } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { failSaves } from '../../packages/queue/src/testing-failed-saves.ts';
import { newId } from '../../packages/shared/src/ids.ts';
import type { Program } from '../platform.ts';
import type { Random } from './random.ts';
import type { Place, Scene } from './scene.ts';

export interface Chaos {
  scene: Scene;
  random: Random;
  /** What goes on beside the next faults: freezes, and programs that start again. Awaited at the end. */
  background: Set<Promise<unknown>>;
  /** What should not have happened and is no business of the runs, such as a program that did not stop in order. */
  complaints: string[];
}

/** Resolves once the fault is over, or goes on in the background. False: it is not possible just now. */
export type Fault = (chaos: Chaos) => Promise<boolean>;

/** Longer than a lease, so that somebody else owns the runs of who wakes up. */
const FREEZE_MS = 11_500;

/** Programs promise 20 s; the machine may be busy with other things. */
const LONGEST_STOP_MS = 30_000;

/** The kinds of the short run, each of them in turn. */
export const FAULTS: Record<string, Fault> = {
  'kill API': (chaos) => replace(chaos, chaos.scene.apis, 'SIGKILL'),
  'stop API': (chaos) => replace(chaos, chaos.scene.apis, 'SIGTERM'),
  'kill worker': (chaos) => replace(chaos, chaos.scene.workers, 'SIGKILL'),
  'stop worker': (chaos) => replace(chaos, chaos.scene.workers, 'SIGTERM'),
  'freeze worker': freezeWorker,
  'kill Redis': async ({ scene, random }) => {
    await scene.platform.redis.kill();
    await pause(random.between(100, 800));
    // After a full disk Redis may refuse its own files: then somebody starts it without them (docs/runbooks/redis-loss.md).
    await scene.platform.redis.restart().catch(() => scene.platform.redis.restartEmpty());
    return true;
  },
  'hang Redis': async ({ scene, random }) => {
    scene.platform.redis.freeze();
    await pause(random.between(200, 1_200));
    scene.platform.redis.thaw();
    return true;
  },
  'flush Redis': (chaos) => tellRedis(chaos, [['FLUSHALL']]),
  'pause Redis': async (chaos) => {
    await tellRedis(chaos, [['CLIENT', 'PAUSE', '700', 'ALL']]);
    await pause(700);
    return true;
  },
  'Redis out of memory': async (chaos) => {
    await tellRedis(chaos, [['CONFIG', 'SET', 'maxmemory', '1']]);
    await pause(chaos.random.between(200, 800));
    return tellRedis(chaos, [['CONFIG', 'SET', 'maxmemory', '0']]);
  },
  'Redis read-only': async (chaos) => {
    // A primary that is gone: what is written is refused, and nothing is copied from anywhere.
    await tellRedis(chaos, [['REPLICAOF', '127.0.0.1', '1']]);
    await pause(chaos.random.between(200, 800));
    return tellRedis(chaos, [['REPLICAOF', 'NO', 'ONE']]);
  },
  'Redis cannot save': async ({ scene, random }) => {
    await withRedis(scene, async (redis) => {
      const mend = await failSaves(redis);
      await pause(random.between(200, 800));
      await mend();
    });
    return true;
  },
  'cut Redis': async ({ scene }) => {
    await scene.redisProxy.setFault({ type: 'reset' });
    await pause(100);
    await scene.redisProxy.setFault({ type: 'none' });
    return true;
  },
  'cut PostgreSQL': (chaos) => signalBackends(chaos, 'pg_terminate_backend', 'true'),
  'cancel statements': (chaos) => signalBackends(chaos, 'pg_cancel_backend', "state = 'active'"),
  'restart PostgreSQL': async ({ scene, random }) => {
    await scene.restartPostgres(random.between(0, 1_000));
    return true;
  },
  'odd wake-ups': addOddJobs,
};

/** Ends one of two programs while the other one runs, and starts its successor beside the next faults. */
export async function replace<P extends Program>(
  chaos: Chaos,
  places: Place<P>[],
  signal: 'SIGKILL' | 'SIGTERM',
  settings?: Record<string, string>,
): Promise<boolean> {
  const running = places.filter(({ program, isFrozen }) => program !== null && !isFrozen);
  if (running.length === 0) return false;
  const place = chaos.random.pick(running);
  const program = place.program as P;
  if (signal === 'SIGKILL') {
    place.program = null;
    place.killedAt.push(Date.now());
  }
  const toldAt = performance.now();
  const ending = program.kill(signal).then((code) => {
    if (signal === 'SIGKILL') return;
    const tookMs = performance.now() - toldAt;
    if (tookMs > LONGEST_STOP_MS) chaos.complaints.push(`${place.role} took ${tookMs.toFixed(0)} ms to stop`);
    if (code === 0) return;
    const reason = program.events.findLast(({ event }) => event === 'program_failed')?.error;
    chaos.complaints.push(`${place.role} ended with ${code} when told to stop: ${reason}`);
  });
  if (signal === 'SIGKILL') await ending;
  if (signal === 'SIGTERM') place.program = null;
  inBackground(
    chaos,
    ending.then(() => chaos.scene.fill(place, settings)),
  );
  return true;
}

/** It wakes up after somebody else has taken its runs over, and must not go on with them. */
async function freezeWorker(chaos: Chaos): Promise<boolean> {
  const { workers } = chaos.scene;
  const running = workers.filter(({ program }) => program !== null);
  if (workers.some(({ isFrozen }) => isFrozen) || running.length === 0) return false;
  const place = chaos.random.pick(running);
  const { pid } = place.program as Program;
  place.isFrozen = true;
  process.kill(pid, 'SIGSTOP');
  inBackground(
    chaos,
    pause(FREEZE_MS).then(() => {
      process.kill(pid, 'SIGCONT');
      place.isFrozen = false;
    }),
  );
  return true;
}

export function inBackground(chaos: Chaos, work: Promise<unknown>): void {
  const noted = work
    .catch((error: unknown) => void chaos.complaints.push(String(error)))
    .finally(() => chaos.background.delete(noted));
  chaos.background.add(noted);
}

async function tellRedis({ scene }: Chaos, commands: string[][]): Promise<boolean> {
  await withRedis(scene, async (redis) => {
    for (const [name = '', ...args] of commands) await redis.call(name, ...args);
  });
  return true;
}

/** Past the proxy and on a connection of its own. */
async function withRedis({ platform }: Scene, work: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(platform.redis.url, { maxRetriesPerRequest: 5 });
  redis.on('error', () => {});
  try {
    await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function signalBackends({ scene }: Chaos, call: string, where: string): Promise<boolean> {
  await scene.query(
    `SELECT ${call}(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'millrace-%' AND ${where}`,
  );
  return true;
}

/** Doubled, forged, unknown and unreadable: whatever stands in the queue, rows decide. */
async function addOddJobs({ scene }: Chaos): Promise<boolean> {
  const rows = await scene.query<{ orgId: string; runId: string }>(
    `SELECT org_id AS "orgId", id AS "runId" FROM app.workflow_runs ORDER BY created_at DESC LIMIT 20`,
  );
  const others = rows.map(({ runId }, index) => ({ orgId: rows.at(-1 - index)?.orgId ?? newId(), runId }));
  const connection = new Redis(scene.platform.redis.url, { maxRetriesPerRequest: null });
  connection.on('error', () => {});
  const queue = new Queue(scene.platform.env.WORKFLOW_QUEUE_NAME ?? '', { connection });
  const payloads = [...rows, ...rows, ...others, { orgId: newId(), runId: newId() }, { orgId: 'no', runId: 7 }, null];
  try {
    await queue.addBulk(payloads.map((data) => ({ name: 'run.execute', data })));
    await queue.add('no.such.job', {}, { removeOnComplete: true });
    return true;
  } finally {
    await queue.close();
    connection.disconnect();
  }
}
