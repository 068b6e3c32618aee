'use client';
import { ChevronRight, ChevronsDownUp, ChevronsUpDown, Copy } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../../ui/button.tsx';
import { cn } from '../../ui/cn.ts';
import { sayMatches, type TreeKind, type TreeRow } from './json-tree.ts';
import { ROW_HEIGHT, useJsonTree } from './use-json-tree.ts';

const COLOURS: Record<TreeKind, string> = {
  object: 'text-muted',
  array: 'text-muted',
  string: 'text-success',
  number: 'text-warning',
  boolean: 'text-warning',
  null: 'text-warning',
};

/** A value to walk through and search: text and nothing but text, whatever it holds. */
export function JsonTree({ label, value }: { label: string; value: unknown }) {
  const tree = useJsonTree(value);
  const { id, rows, virtual, active, search } = tree;
  const items = virtual.getVirtualItems();
  return (
    <div className="min-w-0 overflow-hidden rounded-lg border border-line bg-sunken">
      {typeof value === 'string' || rows[0]?.isOpen !== null ? <Tools label={label} tree={tree} /> : null}
      <div
        ref={tree.scroller}
        role="tree"
        aria-label={label}
        tabIndex={0}
        // Only what is drawn can be named.
        aria-activedescendant={items.some(({ index }) => index === active) ? `${id}-${active}` : undefined}
        onKeyDown={tree.onKeyDown}
        onClick={tree.onClick}
        className="group/tree max-h-80 overflow-auto py-1.5 font-mono text-[0.8125rem] focus-visible:-outline-offset-2"
      >
        <div
          role="presentation"
          className="w-max min-w-full"
          style={{ paddingTop: items[0]?.start ?? 0, paddingBottom: virtual.getTotalSize() - (items.at(-1)?.end ?? 0) }}
        >
          {items.map(({ index, key }) => {
            const row = rows[index];
            return row ? (
              <Line
                key={key}
                id={`${id}-${index}`}
                index={index}
                row={row}
                isActive={index === active}
                isFound={search.found.has(row.pointer)}
              />
            ) : null;
          })}
        </div>
      </div>
    </div>
  );
}

interface LineProps {
  id: string;
  row: TreeRow;
  isActive: boolean;
  isFound: boolean;
  index: number;
}

function Line({ id, index, row, isActive, isFound }: LineProps) {
  const { level, name, kind, text, isOpen, position, siblings } = row;
  return (
    <div
      id={id}
      role="treeitem"
      // The tree has the focus, the keys and the clicks; a line is only ever the active one.
      tabIndex={-1}
      data-index={index}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={siblings}
      aria-expanded={isOpen ?? undefined}
      aria-selected={isActive}
      style={{ height: ROW_HEIGHT, paddingLeft: 8 + (level - 1) * 16 }}
      className={cn(
        'flex items-center gap-1 pr-3 whitespace-pre hover:bg-hover',
        isOpen !== null && 'cursor-pointer',
        isFound && 'bg-warning-soft',
        isActive && 'group-focus-visible/tree:bg-accent-soft',
      )}
    >
      <ChevronRight
        aria-hidden
        className={cn('size-3.5 shrink-0 text-muted', isOpen && 'rotate-90', isOpen === null && 'invisible')}
      />
      {name === null ? null : (
        <span>
          <span className="text-accent">{name}</span>
          <span className="text-muted">: </span>
        </span>
      )}
      <span className={COLOURS[kind]}>{text}</span>
    </div>
  );
}

function Tools({ label, tree }: { label: string; tree: ReturnType<typeof useJsonTree> }) {
  const { search, setAll, copy } = tree;
  return (
    <div className="flex items-center gap-1 border-b border-line bg-surface px-2 py-1">
      <input
        type="search"
        aria-label={`Search ${label}`}
        placeholder="Search"
        value={search.words}
        onChange={({ target }) => search.look(target.value)}
        onKeyDown={({ key, shiftKey }) => (key === 'Enter' ? search.next(shiftKey ? -1 : 1) : undefined)}
        className="h-7 min-w-0 flex-1 rounded-md bg-transparent px-1.5 text-[0.8125rem] placeholder:text-muted focus-visible:outline-offset-0"
      />
      <span role="status" className="px-1 text-xs whitespace-nowrap text-muted tabular-nums">
        {sayMatches(search)}
      </span>
      <Tool label={`Open all of ${label}`} onPress={() => setAll(true)}>
        <ChevronsUpDown aria-hidden />
      </Tool>
      <Tool label={`Close all of ${label}`} onPress={() => setAll(false)}>
        <ChevronsDownUp aria-hidden />
      </Tool>
      <Tool label={`Copy the active part of ${label}`} onPress={copy}>
        <Copy aria-hidden />
      </Tool>
    </div>
  );
}

function Tool({ label, onPress, children }: { label: string; onPress: () => void; children: ReactNode }) {
  return (
    <Button look="ghost" size="icon" className="size-7" aria-label={label} title={label} onClick={onPress}>
      {children}
    </Button>
  );
}
