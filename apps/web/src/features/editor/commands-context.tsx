'use client';
import type { Spot } from '@millrace/workflow/edit-steps';
import { createContext, useContext } from 'react';

interface Commands {
  /** Asks which step to add at a spot; null for whoever may only look. */
  openCommands: ((spot: Spot) => void) | null;
  openBody: (loopId: string) => void;
}

/** What the parts of the canvas can ask for. It never changes, so that none of them renders again because of it. */
export const CommandsContext = createContext<Commands>({ openCommands: null, openBody: () => undefined });

export function useCommands(): Commands {
  return useContext(CommandsContext);
}
