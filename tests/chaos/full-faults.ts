import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, type FaultProxy } from '../../packages/queue/src/testing.ts';
import type { Program } from '../platform.ts';
import { type Chaos, FAULTS, type Fault, inBackground, replace } from './faults.ts';
import type { Scene } from './scene.ts';

const SKEW_MS = 600_000;

/** What takes too long for each test run, or needs more of the machine than everybody has. */
export function fullFaults({ disk, postgresProxy }: Scene): Record<string, Fault> {
  return {
    ...FAULTS,
    'freeze API': freezeApi,
    'roll out': rollOut,
    'restart PostgreSQL': downPostgres,
    'skew a worker': skewWorker,
    'slow Redis': (chaos) => slow(chaos, chaos.scene.redisProxy),
    'lose Redis': loseRedis,
    ...(postgresProxy && {
      'slow PostgreSQL': (chaos: Chaos) => slow(chaos, postgresProxy),
      'cut network to PostgreSQL': () => cut(postgresProxy),
    }),
    ...(disk && {
      'disk full': async ({ scene, random }: Chaos) => {
        if (!disk.fill()) return false;
        await pause(random.between(500, 1_500));
        disk.free();
        await pause(300); // a server that is about to end still answers
        await scene.revivePostgres();
        return true;
      },
    }),
  };
}

async function freezeApi(chaos: Chaos): Promise<boolean> {
  const running = chaos.scene.apis.filter(({ program, isFrozen }) => program !== null && !isFrozen);
  if (running.length < 2) return false;
  const place = chaos.random.pick(running);
  const pid = place.program?.pid ?? 0;
  place.isFrozen = true;
  process.kill(pid, 'SIGSTOP');
  inBackground(
    chaos,
    pause(chaos.random.between(500, 4_000)).then(() => {
      process.kill(pid, 'SIGCONT');
      place.isFrozen = false;
    }),
  );
  return true;
}

/** A new version comes: every program is told to stop, one after another, each once the successor of the one before runs. */
async function rollOut(chaos: Chaos): Promise<boolean> {
  if (rollOuts.has(chaos)) return false;
  rollOuts.add(chaos);
  const { apis, workers } = chaos.scene;
  const roll = async () => {
    for (const place of [...apis, ...workers]) {
      await replace<Program>(chaos, [place], 'SIGTERM');
      await eventually(`a successor of the ${place.role}`, () => place.program !== null, ROLL_MS);
    }
  };
  inBackground(
    chaos,
    roll().finally(() => rollOuts.delete(chaos)),
  );
  return true;
}

const ROLL_MS = 120_000;
const rollOuts = new WeakSet<Chaos>();

/** Most of the time it is back at once; one time in ten it stays away for 10 s. */
async function downPostgres({ scene, random }: Chaos): Promise<boolean> {
  await scene.restartPostgres(random.next() < 0.1 ? 10_000 : random.between(0, 1_000));
  return true;
}

/** A worker whose clock is ten minutes ahead or behind, until it is replaced again. */
async function skewWorker(chaos: Chaos): Promise<boolean> {
  const skewMs = chaos.random.pick([-SKEW_MS, SKEW_MS]);
  return replace(chaos, chaos.scene.workers, 'SIGTERM', {
    CHAOS_CLOCK_SKEW_MS: String(skewMs),
    NODE_OPTIONS: `--import=${join(import.meta.dirname, 'skewed-clock.ts')}`,
  });
}

/** Bytes that were held back must not be overtaken by those that come after: so the connections end with the fault. */
async function slow({ random }: Chaos, proxy: FaultProxy): Promise<boolean> {
  await proxy.setFault({ type: 'delay', delayMs: Math.round(random.between(10, 60)) });
  await pause(random.between(500, 1_500));
  return cut(proxy);
}

async function cut(proxy: FaultProxy): Promise<boolean> {
  await proxy.setFault({ type: 'reset' });
  await proxy.setFault({ type: 'none' });
  return true;
}

/** As when its host loses power: nobody is told, and the connections stay open for ever. */
async function loseRedis({ scene, random }: Chaos): Promise<boolean> {
  await scene.redisProxy.setFault({ type: 'black-hole' });
  await pause(random.between(300, 1_500));
  await scene.redisProxy.setFault({ type: 'none' });
  return true;
}
