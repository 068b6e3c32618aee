import { createLog } from '@millrace/shared/log';
import { afterEach, expect, it } from 'vitest';
import { openScheduler, type Scheduler, type SchedulerOptions } from './scheduler.ts';
import { eventually } from './testing.ts';

const running: Scheduler[] = [];
afterEach(async () => {
  for (const scheduler of running.splice(0)) await scheduler.stop();
});

const ORGS = ['a', 'b', 'c'];
const run = (orgId: string) => ({ orgId, runId: `run-${orgId}`, workflowId: 'w', isHeld: false });
const fired = (orgId: string) => ({ runs: [run(orgId)], dropped: [], broken: [], handledCount: 1 });
const told = ({ event, error }: { event: string; error: string }) =>
  event === 'queue_unavailable' ? `wake: ${error}` : error;

/** Starts a scheduler and notes what it calls; nothing is due and no tick will come unless `options` say otherwise. */
function start(options: Partial<SchedulerOptions>) {
  const seen = { asked: [] as string[], fired: [] as string[], woken: [] as object[], errors: [] as string[] };
  const scheduler = openScheduler({
    findDueOrgs: async (after) => {
      seen.asked.push(after);
      return [];
    },
    fireSchedules: async (orgId) => {
      seen.fired.push(orgId);
      return fired(orgId);
    },
    msUntilNextTick: async () => null,
    wakeRun: async (wake) => void seen.woken.push(wake),
    log: createLog('scheduler', 'warn', { write: (line: string) => void seen.errors.push(told(JSON.parse(line))) }),
    ...options,
  });
  running.push(scheduler);
  scheduler.start();
  return { seen, scheduler };
}

it('sleeps until the earliest tick and looks once then; with none it looks again only when it is poked', async () => {
  let untilNext: number | null = 150;
  const times: number[] = [];
  const { seen, scheduler } = start({
    findDueOrgs: async () => {
      times.push(performance.now());
      return [];
    },
    msUntilNextTick: async () => {
      const answer = untilNext;
      untilNext = null;
      return answer;
    },
  });
  await eventually('the second look', () => times.length === 2);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(145);
  scheduler.poke();
  await eventually('the third look', () => times.length === 3);
  expect(seen.errors).toEqual([]);
});

it('goes on at once while there is more to do, asking behind the organization that had the last turn', async () => {
  const asked: string[] = [];
  const { seen } = start({
    findDueOrgs: async (after) => {
      asked.push(after);
      return asked.length <= ORGS.length ? [ORGS[asked.length - 1] ?? ''] : [];
    },
    msUntilNextTick: async () => (asked.length <= ORGS.length ? -5 : null),
  });
  await eventually('all turns', () => asked.length === 4);
  expect(asked).toEqual(['00000000-0000-0000-0000-000000000000', 'a', 'b', 'c']);
  expect(seen.fired).toEqual(ORGS);
  expect(seen.woken).toEqual(ORGS.map((orgId) => ({ orgId, runId: `run-${orgId}` })));
});

it('what goes wrong for one organization, or with the queue, keeps no other from its turn', async () => {
  let isDone = false;
  const turns: string[] = [];
  const { seen } = start({
    findDueOrgs: async () => (isDone ? [] : ORGS),
    fireSchedules: async (orgId) => {
      turns.push(orgId);
      if (orgId === 'a') throw new Error('lock timeout');
      return fired(orgId);
    },
    wakeRun: async ({ orgId }) => {
      if (orgId === 'b') throw new Error('no Redis');
    },
    msUntilNextTick: async () => {
      isDone = true;
      return null;
    },
  });
  await eventually('the pass', () => isDone);
  expect(turns).toEqual(ORGS);
  expect(seen.errors).toEqual(['lock timeout', 'wake: no Redis']);
});

it('asks again a second after an error, and while another process fires what is due', async () => {
  const times: number[] = [];
  const { seen } = start({
    findDueOrgs: async () => {
      times.push(performance.now());
      if (times.length === 1) throw new Error('no database');
      return [];
    },
    msUntilNextTick: async () => (times.length < 3 ? -1 : null),
  });
  await eventually('three looks', () => times.length === 3);
  expect(seen.errors).toEqual(['no database']);
  for (const index of [1, 2]) expect((times[index] ?? 0) - (times[index - 1] ?? 0)).toBeGreaterThan(990);
});

it('lets the turn under way finish when it is stopped, and begins no other', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const turns: string[] = [];
  const { scheduler } = start({
    findDueOrgs: async () => ORGS,
    fireSchedules: async (orgId) => {
      turns.push(orgId);
      await promise;
      return { ...fired(orgId), runs: [] };
    },
  });
  await eventually('a turn', () => turns.length === 1);
  const stopped = scheduler.stop();
  resolve();
  await stopped;
  scheduler.poke();
  scheduler.start();
  expect(turns).toEqual(['a']);
});
