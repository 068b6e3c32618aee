import { expect, test } from 'vitest';
import { createAttemptSlots } from './attempt-slots.ts';

test('no more slots are taken than there are, and one that is given back can be taken', () => {
  const slots = createAttemptSlots(2);
  expect([slots.take(), slots.take(), slots.take()]).toEqual([true, true, false]);
  slots.giveBack();
  expect([slots.take(), slots.take()]).toEqual([true, false]);
});

test('all who wait are told once of a free slot, in their order, and not those who are done', () => {
  const slots = createAttemptSlots(1);
  const told: string[] = [];
  const [first, second, gone] = ['first', 'second', 'gone'].map((name) => () => void told.push(name));
  slots.take();
  for (const listener of [first, second, gone, first]) slots.whenFree(listener as () => void);
  slots.forget(gone as () => void);
  slots.giveBack();
  expect(told).toEqual(['first', 'second']);
  slots.take();
  slots.giveBack();
  expect(told).toEqual(['first', 'second']);
});

test('a listener that waits again while it is told is not told twice', () => {
  const slots = createAttemptSlots(1);
  let calls = 0;
  const listener = () => {
    calls += 1;
    slots.whenFree(listener);
  };
  slots.take();
  slots.whenFree(listener);
  slots.giveBack();
  expect(calls).toBe(1);
});
