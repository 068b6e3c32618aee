'use client';
import { ChevronRight } from 'lucide-react';
import { cn } from '../../ui/cn.ts';
import { useEditorTools } from './editor-context.tsx';
import { crumbsTo } from './places.ts';
import { placeKey } from './use-canvas.ts';

/** Which of the graphs of the document is shown: the run, the body of a loop, or what runs after a failure. */
export function Breadcrumb() {
  const { document, session, store } = useEditorTools();
  const crumbs = crumbsTo(document, session.place);
  const isOnFailure = crumbs[0]?.place.in === 'onFailure';
  const open = (place: typeof session.place) => store.session({ type: 'open', place });
  const other = isOnFailure ? ({ in: 'run' } as const) : ({ in: 'onFailure' } as const);
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
            onClick={() => open(place)}
            className={cn('rounded px-1.5 py-0.5 hover:bg-hover', index === crumbs.length - 1 && 'font-medium')}
          >
            {label}
          </button>
        </span>
      ))}
      <span aria-hidden className="mx-1 h-4 w-px bg-line" />
      <button type="button" onClick={() => open(other)} className="rounded px-1.5 py-0.5 text-muted hover:bg-hover">
        {isOnFailure ? 'Workflow' : 'After a failure'}
      </button>
    </nav>
  );
}
