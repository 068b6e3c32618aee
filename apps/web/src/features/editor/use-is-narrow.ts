'use client';
import { useSyncExternalStore } from 'react';

/** Tailwind's `md`: below it the rail, the canvas and the panel have no room beside each other. */
const WIDE = '(min-width: 48rem)';

/** Whether the screen is too narrow to edit on; it is watched, because screens are turned. */
export function useIsNarrow(): boolean {
  return useSyncExternalStore(
    subscribe,
    () => !window.matchMedia(WIDE).matches,
    () => false,
  );
}

function subscribe(listener: () => void): () => void {
  const query = window.matchMedia(WIDE);
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
}
