import { eventually } from '@millrace/queue/testing';
import { expect, test } from 'vitest';
import { openDueLoop } from './due-loop.ts';

test('a poke while every place is taken stops nothing: the next item is taken as soon as a place is free', async () => {
  const waiting = ['first', 'second', 'third'];
  const handled: string[] = [];
  const letGo: (() => void)[] = [];
  const loop = openDueLoop<string>({
    places: 1,
    pollMs: 60_000, // so that nothing is found by looking again
    take: async (limit) => waiting.splice(0, limit),
    keyOf: (item) => item,
    handle: async (item) => {
      handled.push(item);
      await new Promise<void>((resolve) => letGo.push(resolve));
    },
    onError: (error) => expect.unreachable(String(error)),
  });
  loop.start();
  for (const count of [1, 2, 3]) {
    await eventually(`item ${count} is handled`, () => handled.length === count);
    loop.poke();
    loop.poke();
    letGo.shift()?.();
  }
  await loop.stop();
  expect(handled).toEqual(['first', 'second', 'third']);
});
