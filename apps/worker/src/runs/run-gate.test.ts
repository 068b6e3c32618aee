import { expect, test } from 'vitest';
import { createRunGate } from './run-gate.ts';

/** Whether the promise has settled once everything that was ready to run has run. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

test('runs are inside side by side', async () => {
  const gate = createRunGate();
  await gate.enter();
  await gate.enter();
});

test('a run that must be alone waits for those inside and keeps later ones out until it leaves', async () => {
  const gate = createRunGate();
  const leave = await gate.enter();
  const alone = gate.enterAlone(10_000);
  const late = gate.enter();
  expect(await hasSettled(alone)).toBe(false);
  leave();
  const leaveAlone = await alone;
  expect(await hasSettled(late)).toBe(false);
  leaveAlone?.();
  await late;
});

test('two runs that must be alone follow each other', async () => {
  const gate = createRunGate();
  const first = await gate.enterAlone(10_000);
  const second = gate.enterAlone(10_000);
  expect(await hasSettled(second)).toBe(false);
  first?.();
  expect(await second).not.toBeNull();
});

test('whoever cannot be alone in time gets null and lets the others in again', async () => {
  const gate = createRunGate();
  await gate.enter();
  const alone = gate.enterAlone(20);
  const late = gate.enter();
  expect(await alone).toBeNull();
  await late;
});

test('leaving twice counts once', async () => {
  const gate = createRunGate();
  const leave = await gate.enter();
  await gate.enter();
  leave();
  leave();
  expect(await hasSettled(gate.enterAlone(10_000))).toBe(false);
});
