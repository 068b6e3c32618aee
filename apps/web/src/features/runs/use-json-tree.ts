'use client';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type MouseEvent, useDeferredValue, useId, useMemo, useRef, useState } from 'react';
import { toast } from '../../ui/toast-store.ts';
import { findMatches, type OpenStates, revealing, rowsOf, valueAt, withAll } from './json-tree.ts';
import { stepOf, type TreeStep } from './tree-keys.ts';

export const ROW_HEIGHT = 24;
const UNTOUCHED: OpenStates = new Map();

/** A value as a tree of which only the lines on the screen are drawn; one line is the active one, also for screen readers. */
export function useJsonTree(value: unknown) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [states, setStates] = useState(UNTOUCHED);
  const [activePointer, setActive] = useState('');
  const rows = useMemo(() => rowsOf(value, states), [value, states]);
  const active = Math.max(
    rows.findIndex(({ pointer }) => pointer === activePointer),
    0,
  );
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const goTo = (pointer: string, opened: OpenStates) => {
    setStates(opened);
    setActive(pointer);
    const index = rowsOf(value, opened).findIndex((row) => row.pointer === pointer);
    // The new lines have to be there before they can be scrolled to.
    requestAnimationFrame(() => virtual.scrollToIndex(index));
  };
  const toggle = (pointer: string, isOpen: boolean) => {
    setActive(pointer);
    setStates((before) => new Map(before).set(pointer, isOpen));
  };
  const walk = (step: TreeStep) => {
    if ('toggle' in step) return toggle(rows[active]?.pointer ?? '', step.toggle);
    setActive(rows[step.go]?.pointer ?? '');
    virtual.scrollToIndex(step.go);
  };
  return {
    id,
    scroller,
    rows,
    virtual,
    active,
    onClick: ({ target }: MouseEvent) => {
      const row = rows[lineOf(target)];
      if (row) toggle(row.pointer, row.isOpen !== true);
      // The keys go on from here.
      scroller.current?.focus({ preventScroll: true });
    },
    onKeyDown: (event: KeyboardEvent) => walkByKey(event, stepOf(event.key, rows, active), walk),
    search: useTreeSearch(value, states, goTo),
    setAll: (isOpen: boolean) => setStates(withAll(value, isOpen)),
    copy: () => copyPart(valueAt(value, rows[active]?.pointer ?? '')),
  };
}

/** Which line was clicked; none of a click beside them. */
function lineOf(target: EventTarget): number {
  const line = target instanceof Element ? target.closest('[data-index]') : null;
  return Number(line?.getAttribute('data-index') ?? Number.NaN);
}

function walkByKey(event: KeyboardEvent, step: TreeStep | null, walk: (step: TreeStep) => void): void {
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  walk(step);
}

function useTreeSearch(value: unknown, states: OpenStates, goTo: (pointer: string, opened: OpenStates) => void) {
  const [words, setWords] = useState('');
  const [at, setAt] = useState(-1);
  const wanted = useDeferredValue(words);
  const matches = useMemo(() => findMatches(value, wanted), [value, wanted]);
  const found = useMemo(() => new Set(matches), [matches]);
  const next = (by: 1 | -1) => {
    if (matches.length === 0) return;
    const index = (Math.max(at, by === 1 ? at : 0) + by + matches.length) % matches.length;
    setAt(index);
    const pointer = matches[index] ?? '';
    goTo(pointer, revealing(states, pointer));
  };
  const look = (typed: string) => {
    setWords(typed);
    const [first] = findMatches(value, typed);
    setAt(first === undefined ? -1 : 0);
    if (first !== undefined) goTo(first, revealing(states, first));
  };
  return { words, look, found, next, at, count: matches.length };
}

async function copyPart(part: unknown): Promise<void> {
  try {
    await navigator.clipboard.writeText(typeof part === 'string' ? part : JSON.stringify(part ?? null, null, 2));
    toast('Copied.');
  } catch {
    toast('Your browser does not let pages copy here.', 'danger');
  }
}
