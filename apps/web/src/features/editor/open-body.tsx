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
      onClick={() => openBody(id)}
      className="nodrag nopan flex w-full items-center justify-between rounded-b-xl border-t border-line bg-sunken px-3 py-1 text-xs text-muted hover:text-ink"
    >
      <span>
        {count === 1 ? '1 step' : `${count} steps`} inside<span className="sr-only">: open the steps of {id}</span>
      </span>
      <ChevronRight aria-hidden className="size-3.5" />
    </button>
  );
}
