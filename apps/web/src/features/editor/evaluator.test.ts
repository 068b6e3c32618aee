import { expect, it, vi } from 'vitest';
import { createEvaluator } from './evaluator.ts';

const REQUEST = { templates: '{% 1 %}', path: '', bindings: {} as never, now: 0, seed: '' };

/** A thread as the browser gives one: it answers, or goes on for ever. */
function openThread(answer: unknown) {
  const thread = {
    onmessage: null as ((event: { data: unknown }) => void) | null,
    postMessage: () => {
      if (answer !== undefined) queueMicrotask(() => thread.onmessage?.({ data: answer }));
    },
    terminate: vi.fn(),
  };
  return thread;
}

it('a thread that does not answer in time is ended, its author is told, and the next expression gets another one', async () => {
  vi.useFakeTimers();
  const answer = { ok: true, value: 1 } as const;
  const [endless, quick] = [openThread(undefined), openThread(answer)];
  const threads = [endless, quick];
  const evaluator = createEvaluator(() => threads.shift() as unknown as Worker);
  const [first, second] = [evaluator.evaluate(REQUEST), evaluator.evaluate(REQUEST)];
  await vi.advanceTimersByTimeAsync(1_900);
  expect(endless.terminate).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(200);
  expect(await first).toMatchObject({ ok: false, error: { message: 'This takes too long to evaluate.' } });
  expect(endless.terminate).toHaveBeenCalledOnce();
  expect(await second).toEqual(answer);
  expect(quick.terminate).not.toHaveBeenCalled();
  vi.useRealTimers();
});
