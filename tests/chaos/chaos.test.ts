import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../packages/queue/src/testing.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import { type Chaos, FAULTS, type Fault } from './faults.ts';
import { fullFaults } from './full-faults.ts';
import { type Load, startLoad } from './load.ts';
import { createRandom } from './random.ts';
import { openScene, type Scene } from './scene.ts';
import { judge } from './verdict.ts';

/**
 * R1 to R7 while everything dies: two APIs and two workers, PostgreSQL and Redis are killed, frozen, cut off and filled,
 * at random and without pause, under load. `npm run chaos` does it for longer and in more ways; see docs/chaos.md.
 */

const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const isFull = process.env.CHAOS_FULL === '1';
const faultCount = isFull ? 1_000 : 60;
const runCount = isFull ? 50_000 : 5_000;
/** A long run may be ended by time instead of by numbers. */
const minutes = Number(process.env.CHAOS_MINUTES ?? Number.POSITIVE_INFINITY);
const STEPS_BETWEEN = 10;
/** The machine may be busy with other things: only what stands still is stuck. */
const PATIENCE_MS = 300_000;
const SETTLED_MS = 30_000;

let scene: Scene;

beforeAll(async () => {
  scene = await openScene(isFull);
}, 300_000);
afterAll(async () => {
  await scene?.stop();
}, 60_000);

it(`no accepted run is lost, doubled or stuck under ${faultCount} faults (seed ${seed})`, async () => {
  const random = createRandom(seed);
  const chaos: Chaos = { scene, random, background: new Set(), complaints: [] };
  const load = await startLoad(scene, random);
  const done = await hurt(chaos, isFull ? fullFaults(scene) : FAULTS, load);
  const isEnough = () => load.acceptedCount() >= runCount || isOver();
  await eventually(`${runCount} runs to be accepted`, isEnough, PATIENCE_MS * 4);
  await load.stop();
  await Promise.all(chaos.background);
  const settledMs = await settle();

  // The last lines of the programs may still be on their way.
  await eventually(
    'the logs to be read',
    async () => (await judge(scene, load.answers)).illegalPaths.length === 0,
  ).catch(() => {});
  const { wholePaths, ...violations } = await judge(scene, load.answers);
  const answers = Object.groupBy(load.answers, ({ status }) => String(status));
  const share = load.acceptedCount() / load.answers.length;
  const measured = [
    `seed ${seed}`,
    `${done.length} faults of ${new Set(done).size} kinds`,
    `${load.acceptedCount()} of ${load.answers.length} accepted (${(share * 100).toFixed(0)} %)`,
    `${answers['503']?.length ?? 0} x 503, ${answers.none?.length ?? 0} without an answer, ${answers.unknown?.length ?? 0} unknown`,
    `settled ${(settledMs / 1000).toFixed(0)} s after the backlog`,
    `${wholePaths} whole event paths`,
    '0 lost, 0 doubled, 0 left behind, 0 steps repeated',
  ].join(', ');
  const none = Object.fromEntries(Object.keys(violations).map((name) => [name, []]));
  if (process.env.CHAOS_SHOW) process.stdout.write(`${measured}\n${JSON.stringify(violations, null, 1)}\n`);
  expect(violations, measured).toEqual(none);
  expect(chaos.complaints).toEqual([]);
  for (const { role, program } of [...scene.apis, ...scene.workers])
    expect([role, program?.isRunning()]).toEqual([role, true]);
  expect(share).toBeGreaterThan(0.5);
  expect(wholePaths / load.acceptedCount()).toBeGreaterThan(0.9);
  expect(new Set(done).size).toBeGreaterThanOrEqual(Math.min(8, faultCount));
  reportFigure('Chaos', measured);
}, 7_200_000);

/** One fault after another, each only while runs are in flight and ten steps after the one before; answers their kinds. */
async function hurt(chaos: Chaos, faults: Record<string, Fault>, load: Load): Promise<string[]> {
  const done: string[] = [];
  let waiting: string[] = [];
  while (done.length < faultCount && !isOver()) {
    if (waiting.length === 0) waiting = chaos.random.shuffle(Object.keys(faults));
    await eventually('runs to be in flight', isBusy, PATIENCE_MS);
    const kind = waiting.shift() as string;
    if (!(await faults[kind]?.(chaos))) {
      waiting.push(kind); // later, when there is somebody to hurt
      await pause(50);
      continue;
    }
    done.push(kind);
    const before = scene.echo.count();
    if (process.env.CHAOS_SHOW)
      process.stdout.write(
        `${new Date().toISOString()} ${done.length} ${kind}, ${load.acceptedCount()} of ${load.answers.length} accepted\n`,
      );
    await eventually(
      `${STEPS_BETWEEN} steps to start after "${kind}"`,
      () => scene.echo.count() >= before + STEPS_BETWEEN,
      PATIENCE_MS,
    );
  }
  return done;
}

const beganAt = Date.now();
function isOver(): boolean {
  return Date.now() - beganAt > minutes * 60_000;
}

async function isBusy(): Promise<boolean> {
  const rows = await scene.query('SELECT FROM app.workflow_runs WHERE finished_at IS NULL LIMIT 1');
  return rows.length > 0;
}

/** Waits for the backlog, and then no longer than promised for the last run to end. Answers how long that took. */
async function settle(): Promise<number> {
  const count = async (where: string) => {
    const [row] = await scene.query<{ count: string }>(`SELECT count(*) FROM app.workflow_runs WHERE ${where}`);
    return Number(row?.count);
  };
  await eventually(
    'the backlog to be begun',
    async () => (await count("status = 'queued' AND started_at IS NULL")) === 0,
    PATIENCE_MS,
  );
  const began = performance.now();
  await eventually('the last run to end', async () => (await count('finished_at IS NULL')) === 0, SETTLED_MS);
  return performance.now() - began;
}
