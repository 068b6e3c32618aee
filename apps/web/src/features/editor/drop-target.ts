import { edgeOfKey } from './session.ts';

export type DropTarget = ReturnType<typeof createDropTarget>;

/** The edge onto which a step would go if it were let go now: only that edge renders when it changes. */
export function createDropTarget() {
  let edge: string | null = null;
  const listeners = new Set<() => void>();
  return {
    read: () => edge,
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    set: (next: string | null) => {
      if (next === edge) return;
      edge = next;
      for (const listener of listeners) listener();
    },
  };
}

interface Marked {
  closest(selector: string): { getAttribute(name: string): string | null } | null;
}

/**
 * The edge among the elements at a point, topmost first. A step is never put onto an edge of its own: a loose one has the
 * line from the trigger.
 */
export function edgeAmong(elements: readonly Marked[], stepId: string | null): string | null {
  const found = elements.map((element) => element.closest('.react-flow__edge')?.getAttribute('data-id') ?? null);
  return found.find((key) => key !== null && !isOwn(key, stepId)) ?? null;
}

function isOwn(key: string, stepId: string | null): boolean {
  const { from, to } = edgeOfKey(key);
  return from === stepId || to === stepId;
}
