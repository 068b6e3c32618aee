import { describe, expect, it } from 'vitest';
import { openBatches } from './batches.ts';

class GivenUpError extends Error {}

/** Doubles numbers; a call ends when it is released, and fails as a whole for a negative number. */
function openDoubler({ weigh = (_item: number): number => 1, isHeld = false, worthACall = 1_000 } = {}) {
  const calls: number[][] = [];
  const held: (() => void)[] = [];
  let underWay = 0;
  let mostUnderWay = 0;
  const batches = openBatches<number, number>({
    async call(items) {
      calls.push([...items]);
      underWay += 1;
      mostUnderWay = Math.max(mostUnderWay, underWay);
      await (isHeld ? new Promise<void>((resolve) => held.push(resolve)) : nextTurn());
      underWay -= 1;
      if (items.includes(-1)) throw new Error('not storable');
      if (items.includes(-2)) throw new GivenUpError('cancelled');
      return items.flatMap((item) => (item === 0 ? [] : [item * 2]));
    },
    weigh,
    worthACall,
    isTransient: (error) => error instanceof GivenUpError,
  });
  return { batches, calls, held, mostUnderWay: () => mostUnderWay };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('openBatches', () => {
  it('sends one item at once and alone, without waiting for others', async () => {
    const { batches, calls } = openDoubler();
    const answer = batches.send(21);
    await nextTurn();
    expect(calls).toEqual([[21]]);
    expect(await answer).toBe(42);
  });

  it('sends what is said in one turn in calls of a hundred, and answers each item with its own answer', async () => {
    const { batches, calls } = openDoubler();
    const answers = await Promise.all(numbers(350).map((item) => batches.send(item)));
    expect(answers).toEqual(numbers(350).map((item) => item * 2));
    expect(calls.map((items) => items.length)).toEqual([100, 100, 100, 50]);
    expect(calls.flat()).toEqual(numbers(350));
  });

  it('has one call under way, and lets what comes meanwhile go together', async () => {
    const { batches, calls, mostUnderWay } = openDoubler();
    const answers = [batches.send(1)];
    await nextTurn();
    answers.push(batches.send(2), batches.send(3));
    await Promise.all(answers);
    expect(calls).toEqual([[1], [2, 3]]);
    expect(mostUnderWay()).toBe(1);
  });

  it('lets what is said after many small turns go together: what arrives in one turn of the event loop', async () => {
    const { batches, calls } = openDoubler();
    const late = async (item: number) => {
      for (let turn = 0; turn < item; turn++) await Promise.resolve();
      return batches.send(item);
    };
    await Promise.all(numbers(10).map(late));
    expect(calls).toEqual([numbers(10)]);
  });

  it('sends a second call beside the first once twenty items have gathered', async () => {
    const { batches, calls, held } = openDoubler({ isHeld: true, worthACall: 20 });
    const answers = [batches.send(1)];
    await nextTurn();
    answers.push(
      ...numbers(20)
        .slice(1)
        .map((item) => batches.send(item)),
    );
    await nextTurn();
    expect(calls).toEqual([[1]]);
    answers.push(batches.send(21));
    await nextTurn();
    expect(calls).toEqual([[1], numbers(21).slice(1)]);
    for (const release of held) release();
    await Promise.all(answers);
  });

  it('holds up nobody behind a call that waits for somebody, but has at most two under way', async () => {
    const { batches, calls, held, mostUnderWay } = openDoubler({ isHeld: true });
    const stuck = batches.send(1);
    await nextTurn();
    const next = batches.send(2);
    await expect.poll(() => calls.length).toBe(2);
    const answers = numbers(20)
      .slice(2)
      .map((item) => batches.send(item));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(calls).toEqual([[1], [2]]);
    held[1]?.();
    expect(await next).toBe(4);
    await expect.poll(() => calls.length).toBe(3);
    expect(calls[2]).toEqual(numbers(20).slice(2));
    for (const release of held) release();
    expect(await Promise.all([stuck, ...answers])).toEqual([1, ...numbers(20).slice(2)].map((item) => item * 2));
    expect(mostUnderWay()).toBe(2);
  });

  it('carries about a million of weight in one call, and a heavier item alone', async () => {
    const { batches, calls } = openDoubler({ weigh: (item) => (item === 3 ? 5_000_000 : 400_000) });
    await Promise.all(numbers(6).map((item) => batches.send(item)));
    expect(calls).toEqual([[1, 2], [3], [4, 5], [6]]);
  });

  it('fails the item that makes its call fail, and none of its neighbours', async () => {
    const { batches, calls } = openDoubler();
    const answers = await Promise.allSettled([1, -1, 3].map((item) => batches.send(item)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(answers[2]).toEqual({ status: 'fulfilled', value: 6 });
    expect(calls).toEqual([[1, -1, 3], [1], [-1], [3]]);
    expect(await batches.send(4)).toBe(8);
  });

  it('fails all items of a call that was given up for reasons of its own, and leaves trying again to who sent them', async () => {
    const { batches, calls } = openDoubler();
    const answers = await Promise.allSettled([1, -2, 3].map((item) => batches.send(item)));
    for (const answer of answers) {
      expect(answer).toEqual({ status: 'rejected', reason: expect.any(GivenUpError) });
    }
    expect(calls).toEqual([[1, -2, 3]]);
    expect(await batches.send(1)).toBe(2);
  });

  it('fails an item that a call left without an answer', async () => {
    const { batches } = openDoubler();
    await expect(batches.send(0)).rejects.toThrow('without an answer');
  });
});
