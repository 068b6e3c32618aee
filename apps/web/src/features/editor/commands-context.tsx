'use client';
import type { Spot } from '@millrace/workflow/edit-steps';
import { createContext, useContext } from 'react';
import { createDropTarget, type DropTarget } from './drop-target.ts';

interface Commands {
  /** Asks which step to add at a spot; null for whoever may only look. */
  openCommands: ((spot: Spot) => void) | null;
  openBody: (loopId: string) => void;
  dropTarget: DropTarget;
}

/** What the parts of the canvas can ask for. It never changes, so that none of them renders again because of it. */
export const CommandsContext = createContext<Commands>({
  openCommands: null,
  openBody: () => undefined,
  dropTarget: createDropTarget(),
});

export function useCommands(): Commands {
  return useContext(CommandsContext);
}
