import { type Positions, readPositions } from './positions.ts';

export type PositionsStore = ReturnType<typeof openPositions>;

/**
 * Where steps stand, for each workflow in this browser. The document has no place for it on purpose: two people who
 * arrange the same workflow are in no conflict, and moving a step is no change that somebody would have to publish.
 */
export function openPositions(
  workflowId: string,
  storage: Pick<Storage, 'getItem' | 'setItem'> | null = browserStorage(),
) {
  const key = `positions ${workflowId}`;
  let positions = readPositions(storage?.getItem(key) ?? null);
  const listeners = new Set<() => void>();
  return {
    read: () => positions,
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    set: (changed: Positions) => {
      if (Object.keys(changed).length === 0) return;
      positions = { ...positions, ...changed };
      for (const listener of listeners) listener();
      try {
        storage?.setItem(key, JSON.stringify(positions));
      } catch {
        // A full storage costs the arrangement at the next visit, nothing else.
      }
    },
  };
}

function browserStorage(): Storage | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
