'use client';
import { useCallback, useSyncExternalStore } from 'react';
import { useCommands } from './commands-context.tsx';

/** Whether a step that is dragged right now would go onto this edge. */
export function useIsDropTarget(edge: string): boolean {
  const { dropTarget } = useCommands();
  const read = useCallback(() => dropTarget.read() === edge, [dropTarget, edge]);
  return useSyncExternalStore(dropTarget.subscribe, read, read);
}
