import { AppError } from '@millrace/shared/errors';
import { expect, it } from 'vitest';
import { openWorkGate } from './work-gate.ts';

it('runs a bounded number at a time, in order, and refuses what exceeds the queue', async () => {
  const pass = openWorkGate({ running: 2, waiting: 3 });
  const started: number[] = [];
  const finish: (() => void)[] = [];
  const work = (id: number) => () => {
    started.push(id);
    return new Promise<number>((resolve) => finish.push(() => resolve(id)));
  };
  const accepted = [0, 1, 2, 3, 4].map((id) => pass(work(id)));
  const refusal = await pass(work(5)).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(AppError);
  expect(refusal).toMatchObject({ code: 'RATE_LIMITED', retryAfterSec: 1 });
  expect(started).toEqual([0, 1]);
  for (let id = 0; id < 5; id += 1) {
    finish[id]?.();
    expect(await accepted[id]).toBe(id);
    await new Promise(setImmediate);
    expect(started.length).toBe(Math.min(id + 3, 5));
  }
  expect(started).toEqual([0, 1, 2, 3, 4]);
});

it('frees its place when the work fails', async () => {
  const pass = openWorkGate({ running: 1, waiting: 1 });
  const failing = pass(() => Promise.reject(new Error('no')));
  const waiting = pass(async () => 'next');
  await expect(failing).rejects.toThrow('no');
  expect(await waiting).toBe('next');
  expect(await pass(async () => 'later')).toBe('later');
});
