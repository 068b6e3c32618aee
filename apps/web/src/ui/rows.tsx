'use client';
import { lazy, Suspense } from 'react';
import type { RowsProps } from './rows-props.ts';

// Pages of short lists, which most are, load none of it.
const VirtualRows = lazy(() =>
  import('./virtual-rows.tsx').then((part) => ({ default: part.VirtualRows })),
) as unknown as typeof import('./virtual-rows.tsx').VirtualRows;

const SHORT = 60;

/** A list of any length: of a long one only what is on the screen, or close to it, is drawn. */
export function Rows<Item>(props: RowsProps<Item>) {
  const { label, items, keyOf, isOrdered, className, rowClassName, children } = props;
  if (items.length > SHORT)
    return (
      <Suspense>
        <VirtualRows {...props} />
      </Suspense>
    );
  const Tag = isOrdered ? 'ol' : 'ul';
  return (
    <Tag aria-label={label} className={className}>
      {items.map((item) => (
        <li key={keyOf(item)} className={rowClassName}>
          {children(item)}
        </li>
      ))}
    </Tag>
  );
}
