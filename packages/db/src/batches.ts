/** Sends many small writes as few large ones, without a timer: see `openBatches`. */

export interface Batches<Item, Answer> {
  /** Answers when the call that carried the item has committed. Rejects with that call's failure. */
  send(item: Item): Promise<Answer>;
}

interface Waiting<Item, Answer> {
  item: Item;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export interface BatchOptions<Item, Answer> {
  /** Carries out all or nothing, and answers one answer for each item, in their order. */
  call(items: readonly Item[]): Promise<readonly Answer[]>;
  /** Characters or bytes: a call carries items of about a million, or a single larger one. */
  weigh(item: Item): number;
  /** So many waiting items are worth a second call beside the first. Without it a second one goes only when the first is slow. */
  worthACall?: number;
  /** True for a failure that says nothing about the items: then each waits for its caller to try again. */
  isTransient(error: unknown): boolean;
}

/**
 * Measured: two under way halve the calls, and a run costs a third more. A second one goes when as many items have gathered as
 * make it worth a call of its own: then the database need not wait while this process is busy with the answers of the first.
 * Or when the first takes as long as only one that waits for somebody's lock does, so that it holds up what was ready before
 * it, and nothing else.
 */
const MOST_UNDER_WAY = 2;
const SLOW_MS = 20;
const MOST_ITEMS = 100;
const MOST_WEIGHT = 1_000_000;

/**
 * An item goes at once while no call is under way, else with the next one: an idle program waits for nothing,
 * a busy one pays for one round trip and one commit where it would pay for dozens. A call that fails because of one of its
 * items is made again for each of them alone, so that nobody fails because of a neighbour.
 */
export function openBatches<Item, Answer>({
  call,
  weigh,
  worthACall = Number.POSITIVE_INFINITY,
  isTransient,
}: BatchOptions<Item, Answer>): Batches<Item, Answer> {
  const waiting: Waiting<Item, Answer>[] = [];
  let underWayCount = 0;
  let slowCount = 0;

  async function deliver(batch: Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await call(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        if (index in answers) resolve(answers[index] as Answer);
        else reject(new Error('a batched call left an item without an answer'));
      });
    } catch (error) {
      if (batch.length === 1 || isTransient(error)) for (const { reject } of batch) reject(error);
      else for (const one of batch) await deliver([one]);
    }
  }

  function countNext(): number {
    let weight = 0;
    const end = waiting.slice(0, MOST_ITEMS).findIndex(({ item }, index) => {
      weight += weigh(item);
      return index > 0 && weight > MOST_WEIGHT;
    });
    return end < 0 ? MOST_ITEMS : end;
  }

  const mostUnderWay = () => (slowCount > 0 || waiting.length >= worthACall ? MOST_UNDER_WAY : 1);

  function next(): void {
    if (waiting.length === 0 || underWayCount >= mostUnderWay()) return;
    underWayCount += 1;
    let isSlow = false;
    const timer = setTimeout(() => {
      isSlow = true;
      slowCount += 1;
      next();
    }, SLOW_MS);
    void deliver(waiting.splice(0, countNext())).finally(() => {
      clearTimeout(timer);
      underWayCount -= 1;
      if (isSlow) slowCount -= 1;
      next();
    });
  }

  return {
    send: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        // After all that has arrived in this turn of the event loop was heard: who answers to it goes together. A first one that
        // went ahead alone would be a call for one, and all others would wait for its end.
        setImmediate(next);
      }),
  };
}

/** The items are JSON texts already: a large output is written as text once. */
export function toArrayText(items: readonly string[]): string {
  return `[${items.join(',')}]`;
}
