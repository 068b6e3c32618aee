import { afterEach, expect, it } from 'vitest';
import { type SweeperOptions, startSweeper } from './sweeper.ts';
import { eventually } from './testing.ts';

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const sweeper of running.splice(0)) await sweeper.stop();
});

/** Counts what is called; nothing is ever stuck. */
function start(options: Partial<SweeperOptions>) {
  const seen = { sweeps: 0, errors: [] as string[] };
  const sweeper = startSweeper({
    intervalMs: 1,
    makeRuns: async () => undefined,
    settle: async () => undefined,
    isQueueReady: async () => true,
    findStuckRuns: async () => {
      seen.sweeps += 1;
      return [];
    },
    putBack: async () => undefined,
    wakeRun: async () => undefined,
    onSwept: () => undefined,
    onError: (error) => seen.errors.push(error.message),
    ...options,
  });
  running.push(sweeper);
  return seen;
}

it('cleans up at the first sweep, and not again before its time however often it sweeps', async () => {
  let cleaned = 0;
  const run = async () => (cleaned += 1);
  const seen = start({ cleanUp: { everyMs: 60_000, run } });
  await eventually('20 sweeps', () => seen.sweeps >= 20);
  expect(cleaned).toBe(1);
});

it('cleans up again and again once its time has passed, also while the queue is away and after a failure', async () => {
  const times: number[] = [];
  const run = async () => {
    times.push(performance.now());
    throw new Error(`failed ${times.length}`);
  };
  const seen = start({ cleanUp: { everyMs: 30, run }, isQueueReady: async () => false });
  await eventually('4 clean-ups', () => times.length >= 4);
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  expect(Math.min(...pauses)).toBeGreaterThan(29); // each is noted a moment after it began
  expect(seen.errors.slice(0, 2)).toEqual(['failed 1', 'failed 2']);
  expect(seen.sweeps).toBe(0);
});

it('makes runs of what was accepted while the queue is away, and sweeps on when that fails', async () => {
  let isReady = false;
  const limits: number[] = [];
  const seen = start({
    isQueueReady: async () => isReady,
    makeRuns: async (limit) => {
      limits.push(limit);
      throw new Error('no database');
    },
  });
  await eventually('3 tries', () => limits.length >= 3);
  expect([seen.sweeps, seen.errors[0], limits[0]]).toEqual([0, 'no database', 100]);
  isReady = true;
  await eventually('a sweep', () => seen.sweeps >= 1);
});

it('puts back what it found and could not wake, so that the next sweep finds it', async () => {
  const runs = ['a', 'b', 'c'].map((runId) => ({ orgId: 'o', runId }));
  const putBack: string[][] = [];
  const woken: string[] = [];
  let counted = 0;
  const seen = start({
    findStuckRuns: async () => (seen.sweeps++ === 0 ? runs : []),
    wakeRun: async ({ runId }) => {
      if (runId === 'b') throw new Error('no queue');
      woken.push(runId);
    },
    putBack: async (left) => void putBack.push(left.map(({ runId }) => runId)),
    onSwept: (count) => {
      counted += count;
    },
  });
  await eventually('two sweeps', () => seen.sweeps >= 2);
  expect([woken, putBack, counted, seen.errors]).toEqual([['a'], [['b', 'c']], 1, ['no queue']]);
});
