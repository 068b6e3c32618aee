/** A queue with one reader: what comes while nobody reads is kept in order. */
export interface Inbox<T> {
  push(item: T): void;
  next(): Promise<T>;
}

export function createInbox<T>(): Inbox<T> {
  const items: T[] = [];
  let reader: ((item: T) => void) | undefined;
  return {
    push(item) {
      if (reader === undefined) {
        items.push(item);
        return;
      }
      const read = reader;
      reader = undefined;
      read(item);
    },
    next() {
      const [first] = items;
      if (items.length > 0) {
        items.shift();
        return Promise.resolve(first as T);
      }
      return new Promise((resolve) => {
        reader = resolve;
      });
    },
  };
}
