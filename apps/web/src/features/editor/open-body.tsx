'use client';
import { ChevronRight } from 'lucide-react';
import type { CanvasNode } from './canvas.ts';
import { useCommands } from './commands-context.tsx';

/** The way into the steps of a loop. */
export function OpenBody({ id, data }: Pick<CanvasNode, 'id' | 'data'>) {
  const { openBody } = useCommands();
  const count = data.bodySize ?? 0;
  return (
    <button
      type="button"
      aria-label={`Open the steps of ${id}`}
      onClick={() => openBody(id)}
      className="nodrag nopan flex w-full items-center justify-between rounded-b-xl border-t border-line bg-sunken px-3 py-1 text-xs text-muted hover:text-ink"
    >
      {count === 1 ? '1 step' : `${count} steps`} inside
      <ChevronRight aria-hidden className="size-3.5" />
    </button>
  );
}
