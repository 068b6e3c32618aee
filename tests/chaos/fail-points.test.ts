import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../../bench/client.ts';
import { eventually } from '../../packages/queue/src/testing.ts';
import { FAIL_POINTS, type FailPoint } from '../../packages/shared/src/fail-points.ts';
import { reportFigure } from '../../packages/shared/src/testing.ts';
import type { Program } from '../platform.ts';
import { show } from './report.ts';
import { publishOf, workflowIdOf } from './window-documents.ts';
import {
  countDeliveries,
  countRuns,
  findWrongs,
  NO_WRONGS,
  openWindowScene,
  settle,
  type WindowScene,
} from './window-scene.ts';
import {
  type ApiWindow,
  apiWindows,
  commonWindows,
  commonWork,
  deliverWithoutRun,
  SCHEDULE_WINDOWS,
  specialWorks,
  TOGETHER,
  untilCalled,
  type Work,
} from './windows.ts';

/**
 * A program is killed in each window that a crash could fall into. A wave starts one doomed program for each window, gives
 * it work until it is dead, then starts a healthy one: every run has to end as it should, or never have existed.
 */

/** Each wave kills once in each window. */
const WAVES = Number(process.env.CHAOS_KILLS ?? (process.env.CHAOS_FULL === '1' ? 20 : 3));
const DEAD_MS = 240_000;
/** APIs that are asked at the same time. */
const APIS = 4;
/** The healthy API sweeps too, once a second. */
const OFTEN = { SWEEP_INTERVAL_MS: '50' };
/** So many times more work is given to those that are to die. */
const MOST_TURNS = 600;

let scene: WindowScene;
const killed: FailPoint[] = [];

beforeAll(async () => {
  scene = await openWindowScene();
}, 180_000);
afterAll(() => scene?.stop());

it(`an API killed in any of its windows leaves nothing half done, ${WAVES} times each`, async () => {
  const worker = await scene.platform.startWorker();
  const windows = apiWindows(scene);
  const answers: Promise<unknown>[] = [];
  for (let wave = 0; wave < WAVES; wave += 1) {
    show(`API windows, wave ${wave + 1} of ${WAVES}`);
    for (let first = 0; first < windows.length; first += APIS)
      await Promise.all(windows.slice(first, first + APIS).map((window) => killApi(window, wave, answers)));
    await killSweepingApi();
  }
  await Promise.all(answers);
  await settle(scene);
  expect(await countRuns(scene)).toMatchObject({
    'calls succeeded': 4 * WAVES,
    'never cancelled': (3 + TOGETHER) * WAVES,
    'parentOfNever cancelled': 2 * WAVES,
    'asks succeeded': WAVES,
    'calledBack succeeded': WAVES,
    'fails failed': 2 * WAVES,
    'failsTogether failed': 2 * TOGETHER * WAVES,
  });
  expect(await findWrongs(scene)).toEqual(NO_WRONGS);
  const { deliveries, runs } = await countDeliveries(scene);
  expect(runs).toBe(deliveries);
  await worker.kill('SIGKILL');
}, 1_800_000);

async function killApi({ name, settings, prepare, again }: ApiWindow, wave: number, answers: Promise<unknown>[]) {
  const { platform, client, api } = scene;
  const [{ path, body }, doomed] = await Promise.all([
    prepare(),
    platform.startApi({ FAIL_POINT: name, SWEEP_INTERVAL_MS: '60000', ...settings }),
  ]);
  const headers = { ...client.headers, ...(again === 'sameKey' && { 'idempotency-key': `${name}-${wave}` }) };
  const answer = await send(doomed.url, headers, 'POST', path, body).catch((error: Error) => error.message);
  expect([name, answer]).toEqual([name, 'fetch failed']);
  await untilDead(doomed, name);
  // Under the same key it hears what had come of it, once the first request has had its time.
  if (again) answers.push(send(api.url, headers, 'POST', path, body));
}

/** Another program may be faster: there is something to do until this one was the first. */
async function killSweepingApi(): Promise<void> {
  const name = 'sweep.run-made-before-wake';
  const doomed = await scene.platform.startApi({ FAIL_POINT: name, ...OFTEN });
  for (let turns = 0; doomed.isRunning(); turns += 1) {
    await deliverWithoutRun(scene);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(turns, `never came by: ${name}`).toBeLessThan(MOST_TURNS);
  }
  await untilDead(doomed, name);
}

/** It may have ended in another way. */
async function untilDead(program: Program, name: FailPoint): Promise<void> {
  await eventually(`a program to die at ${name}`, () => !program.isRunning(), DEAD_MS);
  expect([name, await program.kill('SIGKILL')]).toEqual([name, null]);
  killed.push(name);
}

it(`a worker killed in any of its windows loses no run and repeats no finished step, ${WAVES} times each`, async () => {
  const answers: Promise<number>[] = [];
  const common = commonWork(scene);
  const groups = [
    new Map(commonWindows(scene).map((name) => [name, common])),
    new Map(Object.entries(specialWorks(scene, answers)) as [FailPoint, Work][]),
  ];
  let expected = await countManual();
  for (let wave = 0; wave < WAVES; wave += 1) {
    show(`worker windows, wave ${wave + 1} of ${WAVES}`);
    for (const works of groups) expected += await killWorkers(works);
    expected += await killGivingUp();
    expected += await killEnding();
    await scene.client.call('POST', '/runs/cancel', { filter: { workflowId: workflowIdOf(scene.paths.never) } });
    await settleWithWorker();
  }
  expect(await countManual()).toBe(expected);
  expect(await findWrongs(scene)).toEqual(NO_WRONGS);
  const { deliveries, runs } = await countDeliveries(scene);
  expect(runs).toBe(deliveries);
  // The answer of the run, or that it takes too long: nobody who waits is forgotten.
  for (const status of await Promise.all(answers)) expect([200, 202]).toContain(status);
}, 3_600_000);

async function countManual(): Promise<number> {
  const ofManual = "SELECT count(*)::integer AS n FROM app.workflow_runs WHERE trigger_type = 'trigger.manual'";
  return (await scene.admin.query(ofManual)).rows[0].n;
}

/** One for each window, which get work until all are dead; answers how many runs were started by hand. */
async function killWorkers(works: ReadonlyMap<FailPoint, Work>): Promise<number> {
  const starts = [...works.keys()].map(async (name) => {
    const settings = name.startsWith('sweep.') ? OFTEN : {};
    return { name, program: await scene.platform.startWorker({ FAIL_POINT: name, ...settings }) };
  });
  const doomed = await Promise.all(starts);
  let started = 0;
  for (let turns = 0; doomed.some(({ program }) => program.isRunning()); turns += 1) {
    const living = doomed.filter(({ program }) => program.isRunning()).map(({ name }) => name);
    expect(turns, `never came by: ${living}`).toBeLessThan(MOST_TURNS);
    for (const work of new Set(living.map((name) => works.get(name)))) started += (await work?.()) ?? 0;
    // Somebody finds a run that nobody was woken for.
    await scene.admin.query(
      "UPDATE app.workflow_runs SET next_sweep_at = now() WHERE status = 'queued' AND held_by IS NULL",
    );
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  for (const { program, name } of doomed) await untilDead(program, name);
  return started;
}

/** A run that has cost two owners their lives may not be executed beside another one: it is given up for a while. */
async function killGivingUp(): Promise<number> {
  await scene.start('never');
  const suspect = await scene.start('quick');
  await scene.admin.query('UPDATE app.workflow_runs SET lost_claims = 2 WHERE id = $1', [suspect]);
  const name = 'run.given-up-before-delay';
  await untilDead(await scene.platform.startWorker({ FAIL_POINT: name }), name);
  return 2;
}

/** Told to end, a worker makes the call under way, and leaves the next step to others. */
async function killEnding(): Promise<number> {
  const name = 'run.handed-back-before-wake';
  const doomed = await scene.platform.startWorker({ FAIL_POINT: name });
  await untilCalled(scene, await scene.start('twoSteps'), DEAD_MS);
  process.kill(doomed.pid, 'SIGTERM');
  await untilDead(doomed, name);
  return 1;
}

async function settleWithWorker(): Promise<void> {
  const healthy = await scene.platform.startWorker();
  await settle(scene);
  await healthy.kill('SIGTERM');
}

it(`a tick whose worker is killed while it fires brings exactly one run, ${WAVES} times in each window`, async () => {
  const { api, platform, admin, client } = scene;
  // Once a year.
  const trigger = { type: 'trigger.cron', config: { expression: '0 0 1 1 *', timeZone: 'UTC' } };
  const tick = [{ id: 'tick', type: 'transform', config: { value: 1 } }];
  const ticking: string[] = [];
  for (let wave = 0; wave < WAVES; wave += 1) ticking.push(workflowIdOf(await publishOf(client, tick, { trigger })));
  // Nobody else may fire: who was killed before its commit leaves the tick to the next one.
  process.kill(api.pid, 'SIGSTOP');
  for (const [wave, workflowId] of ticking.entries()) {
    show(`schedule windows, wave ${wave + 1} of ${WAVES}`);
    await admin.query(
      "UPDATE app.workflow_schedules SET next_fire_at = date_trunc('year', now()) WHERE workflow_id = $1",
      [workflowId],
    );
    for (const name of SCHEDULE_WINDOWS) await untilDead(await platform.startWorker({ FAIL_POINT: name }), name);
  }
  process.kill(api.pid, 'SIGCONT');
  await settleWithWorker();
  const { rows } = await admin.query(
    "SELECT workflow_id AS id, status FROM app.workflow_runs WHERE trigger_type = 'trigger.cron' ORDER BY 1",
  );
  expect(rows).toEqual(ticking.toSorted().map((id) => ({ id, status: 'succeeded' })));
}, 1_800_000);

it('every window was met', async () => {
  for (const name of FAIL_POINTS)
    expect([name, killed.filter((one) => one === name).length >= WAVES]).toEqual([name, true]);
  const { rows } = await scene.admin.query('SELECT count(*)::integer AS n FROM app.workflow_runs');
  reportFigure(
    'Crash windows',
    `${FAIL_POINTS.length} windows, ${killed.length} kills, ${rows[0].n} runs, 0 lost, 0 finished steps repeated`,
  );
});
