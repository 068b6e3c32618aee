'use client';
import { useCallback, useMemo, useRef, useState } from 'react';

export interface SelectedStep {
  readonly stepId: string;
  /** Where it was chosen: what it was not chosen at brings it into view. */
  readonly at: 'canvas' | 'list';
  /** Goes up with each choice, also of the same step. */
  readonly count: number;
}

/** The step that somebody looks at, which the canvas and the list of steps have in common. */
export function useSelectedStep() {
  const [selected, setSelected] = useState<SelectedStep | null>(null);
  const shown = useRef(0);
  const select = useCallback((stepId: string, at: SelectedStep['at']) => {
    setSelected((before) => ({ stepId, at, count: (before?.count ?? 0) + 1 }));
  }, []);
  /** True once for each choice: a card that a long list draws again must not jump into view again. */
  const arrive = useCallback((count: number) => {
    const isNew = shown.current < count;
    shown.current = Math.max(shown.current, count);
    return isNew;
  }, []);
  /** What the list of steps has to bring into view. */
  const inList = useMemo(() => (selected?.at === 'canvas' ? { key: selected.stepId } : null), [selected]);
  return { selected, select, arrive, inList };
}

export type StepSelection = ReturnType<typeof useSelectedStep>;
