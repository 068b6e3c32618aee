'use client';
import type { RowsProps } from './rows-props.ts';
import { useVirtualRows } from './use-virtual-rows.ts';

/** As `Rows`, for a list of which only a part is drawn; screen readers hear of its whole length. */
export function VirtualRows<Item>(props: RowsProps<Item>) {
  const { label, items, isOrdered, className, rowClassName, children } = props;
  const { list, measure, drawn, above, below } = useVirtualRows(props);
  const Tag = isOrdered ? 'ol' : 'ul';
  return (
    <div ref={list}>
      <Tag aria-label={label} className={className} style={{ paddingTop: above, paddingBottom: below }}>
        {drawn.map(({ index, key, item }) => (
          <li
            key={key}
            ref={measure}
            data-index={index}
            aria-posinset={index + 1}
            aria-setsize={items.length}
            className={rowClassName}
          >
            {children(item)}
          </li>
        ))}
      </Tag>
    </div>
  );
}
