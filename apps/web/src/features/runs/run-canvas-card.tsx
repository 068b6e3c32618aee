'use client';
import { ChevronDown } from 'lucide-react';
import dynamic from 'next/dynamic';
import { useState } from 'react';
import { cn } from '../../ui/cn.ts';
import { Card } from '../../ui/surfaces.tsx';
import { CanvasSkeleton } from './canvas-skeleton.tsx';
import type { RunCanvasProps } from './run-canvas.tsx';

// It measures the screen, so it is made in the browser only; and the page is there before it.
const RunCanvas = dynamic(() => import('./run-canvas.tsx').then((part) => part.RunCanvas), {
  ssr: false,
  loading: CanvasSkeleton,
});

/** The workflow of the run, which can be put away. */
export function RunCanvasCard(props: RunCanvasProps) {
  const [isOpen, setOpen] = useState(true);
  return (
    <section aria-label="Canvas">
      <Card className="overflow-hidden">
        <h2>
          <button
            type="button"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            className="flex w-full items-center gap-2 px-4 py-2.5 text-left text-sm font-medium hover:bg-hover focus-visible:-outline-offset-2"
          >
            <ChevronDown
              aria-hidden
              className={cn('size-4 text-muted transition-transform', !isOpen && '-rotate-90')}
            />
            Canvas <span className="font-normal text-muted">version {props.version}</span>
          </button>
        </h2>
        {isOpen ? (
          <div className="h-64 border-t border-line md:h-[28rem]">
            <RunCanvas {...props} />
          </div>
        ) : null}
      </Card>
    </section>
  );
}
