'use client';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from 'react';
import type { RowsProps } from './rows-props.ts';

const OVERSCAN = 8;

/** The rows near the part of the page that is on the screen, and how much room those above and below take. */
export function useVirtualRows<Item>({ items, keyOf, rowHeight, shown }: RowsProps<Item>) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  // What stands above the list may come and go with any rendering.
  useLayoutEffect(() => setTop((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY));
  const virtual = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => rowHeight,
    getItemKey: (index) => keyOf(items[index] as Item),
    overscan: OVERSCAN,
    scrollMargin: top,
  });
  const show = useEffectEvent((key: string) => {
    const index = items.findIndex((item) => keyOf(item) === key);
    if (index >= 0) virtual.scrollToIndex(index, { align: 'center' });
  });
  useEffect(() => {
    if (shown) show(shown.key);
  }, [shown]);
  const rows = virtual.getVirtualItems();
  return {
    list,
    measure: virtual.measureElement,
    drawn: rows.map(({ index, key }) => ({ index, key, item: items[index] as Item })),
    above: (rows[0]?.start ?? top) - top,
    below: virtual.getTotalSize() - ((rows.at(-1)?.end ?? top) - top),
  };
}
