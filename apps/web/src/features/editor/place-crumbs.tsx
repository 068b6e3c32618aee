'use client';
import type { Place } from '@millrace/workflow/edit';
import { ChevronRight } from 'lucide-react';
import { cn } from '../../ui/cn.ts';
import { type Crumb, placeKey } from './places.ts';

interface PlaceCrumbsProps {
  /** The way to the graph that is shown. */
  crumbs: readonly Crumb[];
  /** Whether there is a graph for what runs after a failure, or one may be made. */
  hasOther: boolean;
  onOpen: (place: Place) => void;
}

/** Which of the graphs of the document is shown: the run, the body of a loop, or what runs after a failure. */
export function PlaceCrumbs({ crumbs, hasOther, onOpen }: PlaceCrumbsProps) {
  const isOnFailure = crumbs[0]?.place.in === 'onFailure';
  return (
    <nav
      aria-label="Part of the workflow"
      className="absolute top-3 left-3 z-10 flex items-center gap-1 rounded-lg border border-line bg-surface px-1.5 py-1 text-[0.8125rem] shadow-card"
    >
      {crumbs.map(({ label, place }, index) => (
        <span key={placeKey(place)} className="flex items-center gap-1">
          {index > 0 ? <ChevronRight aria-hidden className="size-3.5 text-muted" /> : null}
          <button
            type="button"
            aria-current={index === crumbs.length - 1 ? 'page' : undefined}
            onClick={() => onOpen(place)}
            className={cn('rounded px-1.5 py-0.5 hover:bg-hover', index === crumbs.length - 1 && 'font-medium')}
          >
            {label}
          </button>
        </span>
      ))}
      {hasOther ? (
        <>
          <span aria-hidden className="mx-1 h-4 w-px bg-line" />
          <button
            type="button"
            onClick={() => onOpen({ in: isOnFailure ? 'run' : 'onFailure' })}
            className="rounded px-1.5 py-0.5 text-muted hover:bg-hover"
          >
            {isOnFailure ? 'Workflow' : 'After a failure'}
          </button>
        </>
      ) : null}
    </nav>
  );
}
