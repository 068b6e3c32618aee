import type { TreeRow } from './json-tree.ts';

export type TreeStep = { go: number } | { toggle: boolean };

/** What a key does in a tree, as the ARIA practices say; null when it is none of the tree's. */
export function stepOf(key: string, rows: readonly TreeRow[], active: number): TreeStep | null {
  const row = rows[active];
  if (!row) return null;
  switch (key) {
    case 'ArrowDown':
      return { go: Math.min(active + 1, rows.length - 1) };
    case 'ArrowUp':
      return { go: Math.max(active - 1, 0) };
    case 'Home':
      return { go: 0 };
    case 'End':
      return { go: rows.length - 1 };
    case 'ArrowRight':
      if (row.isOpen === false) return { toggle: true };
      return row.isOpen ? { go: active + 1 } : null;
    case 'ArrowLeft':
      return row.isOpen ? { toggle: false } : { go: parentOf(rows, active) };
    case 'Enter':
    case ' ':
      return row.isOpen === null ? null : { toggle: !row.isOpen };
    default:
      return null;
  }
}

function parentOf(rows: readonly TreeRow[], active: number): number {
  const level = rows[active]?.level ?? 1;
  const parent = rows.slice(0, active).findLastIndex((row) => row.level < level);
  return parent === -1 ? active : parent;
}
