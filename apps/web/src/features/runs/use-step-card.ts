'use client';
import { type ToggleEvent, useEffect, useRef, useState } from 'react';
import type { StepSelection } from './use-selected-step.ts';

/** Whether the card of a step is open. A choice in the canvas opens it, brings it into view and gives it the focus. */
export function useStepCard(stepId: string, { selected, select, arrive }: Omit<StepSelection, 'inList'>) {
  const card = useRef<HTMLDetailsElement>(null);
  const isOpenedHere = useRef(false);
  const [isOpen, setOpen] = useState(false);
  const isSelected = selected?.stepId === stepId;
  const count = isSelected && selected.at === 'canvas' ? selected.count : 0;
  useEffect(() => {
    const details = card.current;
    if (count === 0 || !details || !arrive(count)) return;
    isOpenedHere.current = !details.open;
    details.open = true;
    details.querySelector('summary')?.focus({ preventScroll: true });
    details.scrollIntoView({ block: 'start' });
  }, [count, arrive]);
  const onToggle = ({ currentTarget: { open } }: ToggleEvent<HTMLDetailsElement>) => {
    setOpen(open);
    if (open && !isOpenedHere.current) select(stepId, 'list');
    isOpenedHere.current = false;
  };
  return { card, isOpen, isSelected, onToggle };
}
