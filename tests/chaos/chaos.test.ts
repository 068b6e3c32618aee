import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../packages/queue/src/testing.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import { type Chaos, FAULTS } from './faults.ts';
import { fullFaults } from './full-faults.ts';
import { type Load, startLoad } from './load.ts';
import { createRandom } from './random.ts';
import { countOf, measuredOf, show, showViolations } from './report.ts';
import { openScene, type Scene } from './scene.ts';
import { judge } from './verdict.ts';

/**
 * R1 to R7 while everything dies: two APIs and two workers, PostgreSQL and Redis are killed, frozen, cut off and filled,
 * at random and without pause, under load. `npm run chaos` does it for longer and in more ways; see docs/chaos.md.
 */

const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const isFull = process.env.CHAOS_FULL === '1';
/** Less of it proves nothing, also where the time was over before. */
const GOAL = isFull ? { faults: 1_000, kinds: 14, runs: 50_000 } : { faults: 60, kinds: 8, runs: 5_000 };
/** Faults are over after that time, whatever was reached. */
const minutes = Number(process.env.CHAOS_MINUTES ?? Number.POSITIVE_INFINITY);
const STEPS_BETWEEN = 10;
/** The machine may be busy with other things: only what stands still is stuck. */
const PATIENCE_MS = 300_000;
const SETTLED_MS = 30_000;

let scene: Scene;

beforeAll(async () => {
  show(`seed ${seed}: at least ${GOAL.faults} faults of ${GOAL.kinds} kinds`);
  scene = await openScene(isFull);
}, 300_000);
afterAll(async () => {
  await scene?.stop();
}, 60_000);

it(`no accepted run is lost, doubled or stuck under ${GOAL.faults} faults (seed ${seed})`, async () => {
  const done: string[] = [];
  const chaos: Chaos = { scene, random: createRandom(seed + 1), background: new Set(), complaints: [] };
  const load = await startLoad(scene, createRandom(seed + 2));
  const settledMs = await hurtAndSettle(chaos, load, done).catch(async (error: unknown) => {
    throw new Error(`${error}\nSeed ${seed}, faults ${countOf(done)}, last "${done.at(-1)}". ${await tellOpenRuns()}`);
  });

  // The last lines of the programs may still be on their way.
  await eventually(
    'the logs to be read',
    async () => (await judge(scene, load.answers)).illegalPaths.length === 0,
  ).catch(() => {});
  const { wholePaths, ...violations } = await judge(scene, load.answers);
  const measured = measuredOf({ seed, done, load, settledMs, wholePaths, violations });
  show(measured);
  showViolations(violations);
  const none = Object.fromEntries(Object.keys(violations).map((name) => [name, []]));
  expect(violations, measured).toEqual(none);
  expect(chaos.complaints, measured).toEqual([]);
  for (const { role, program } of [...scene.apis, ...scene.workers])
    expect([role, program?.isRunning()]).toEqual([role, true]);
  expect(load.acceptedCount() / load.answers.length, measured).toBeGreaterThan(0.5);
  expect(wholePaths / load.acceptedCount(), measured).toBeGreaterThan(0.9);
  expect(done.length, `fewer faults than demanded: ${measured}`).toBeGreaterThanOrEqual(GOAL.faults);
  expect(new Set(done).size, `fewer kinds than demanded: ${measured}`).toBeGreaterThanOrEqual(GOAL.kinds);
  reportFigure('Chaos', measured);
}, 7_200_000);

/** Notes each fault in `done`. Answers how long the last run took to end after the backlog, in milliseconds. */
async function hurtAndSettle(chaos: Chaos, load: Load, done: string[]): Promise<number> {
  await hurt(chaos, load, done);
  const isEnough = () => load.acceptedCount() >= GOAL.runs || isOver();
  await eventually(`${GOAL.runs} runs to be accepted`, isEnough, PATIENCE_MS * 4);
  await load.stop();
  await Promise.all(chaos.background);
  return settle();
}

/** One fault after another, each only while runs are in flight and ten steps after the one before. */
async function hurt(chaos: Chaos, load: Load, done: string[]): Promise<void> {
  const faults = isFull ? fullFaults(scene) : FAULTS;
  // Of its own: the others are asked by whoever comes first.
  const order = createRandom(seed);
  let waiting: string[] = [];
  // A long run goes on until both are reached, since runs that nothing happens to prove nothing.
  const isEnough = () => done.length >= GOAL.faults && (!isFull || load.acceptedCount() >= GOAL.runs);
  while (!isEnough() && !isOver()) {
    if (waiting.length === 0) waiting = order.shuffle(Object.keys(faults));
    await eventually('runs to be in flight', isBusy, PATIENCE_MS);
    const kind = waiting.shift() as string;
    const isDone = await faults[kind]?.(chaos).catch((error: unknown) => {
      throw new Error(`"${kind}" could not be done: ${error}`);
    });
    if (!isDone) {
      waiting.push(kind); // later, when there is somebody to hurt
      await pause(50);
      continue;
    }
    done.push(kind);
    const before = scene.echo.count();
    show(`${done.length} ${kind}, ${load.acceptedCount()} of ${load.answers.length} accepted`);
    await eventually(
      `${STEPS_BETWEEN} steps to start after "${kind}"`,
      () => scene.echo.count() >= before + STEPS_BETWEEN,
      PATIENCE_MS,
    );
  }
}

const beganAt = Date.now();
function isOver(): boolean {
  return Date.now() - beganAt > minutes * 60_000;
}

async function isBusy(): Promise<boolean> {
  const sql = 'SELECT FROM app.workflow_runs WHERE finished_at IS NULL LIMIT 1';
  const rows = await scene.query(sql).catch(() => []); // it may still recover from the fault before
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

/** What to look at when something stands still. */
async function tellOpenRuns(): Promise<string> {
  const sql = `SELECT id, status, lease_token, lease_until, lost_claims, next_attempt_at, next_sweep_at, now()
    FROM app.workflow_runs WHERE finished_at IS NULL ORDER BY created_at LIMIT 20`;
  const rows = await scene.query(sql).catch((error: unknown) => [`PostgreSQL does not answer: ${error}`]);
  return `Open runs, the oldest first: ${JSON.stringify(rows, null, 1)}`;
}
