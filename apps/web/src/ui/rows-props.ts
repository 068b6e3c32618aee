import type { ReactNode } from 'react';

export interface RowsProps<Item> {
  label: string;
  items: readonly Item[];
  keyOf: (item: Item) => string;
  /** Of a usual row in pixels; each is measured once it is drawn. */
  rowHeight: number;
  isOrdered?: boolean;
  /** The row to bring into view; each new object is a new wish. Rows that are drawn anyway do so themselves. */
  shown?: { readonly key: string } | null;
  className?: string;
  rowClassName?: string;
  children: (item: Item) => ReactNode;
}
