'use client';
import { BaseEdge, EdgeLabelRenderer, type EdgeProps, getSmoothStepPath } from '@xyflow/react';
import { Plus } from 'lucide-react';
import { memo } from 'react';
import { cn } from '../../ui/cn.ts';
import type { CanvasEdge } from './canvas.ts';
import { useCommands } from './commands-context.tsx';
import { saySpot, spotOnEdge } from './spots.ts';
import { useIsDropTarget } from './use-is-drop-target.ts';

/** A line with a "+" on it. */
export const StepEdge = memo(function StepEdge(props: EdgeProps<CanvasEdge>) {
  const { id, data, selected, markerEnd } = props;
  const { openCommands } = useCommands();
  const [path, x, y] = getSmoothStepPath({ ...props, borderRadius: 14 });
  const spot = spotOnEdge(id);
  const isTarget = useIsDropTarget(id);
  return (
    <>
      <BaseEdge
        path={path}
        markerEnd={markerEnd}
        className={cn(
          data?.isImplied && 'is-implied',
          data?.isFaulty && 'is-faulty',
          data?.passage === 'taken' && 'is-taken',
          data?.passage === 'untaken' && 'is-untaken',
          selected && 'is-selected',
          isTarget && 'is-drop-target',
        )}
      />
      {openCommands ? (
        <EdgeLabelRenderer>
          <button
            type="button"
            aria-label={saySpot(spot)}
            onClick={() => openCommands(spot)}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
            className="edge-add nodrag nopan pointer-events-auto absolute grid size-5 place-items-center rounded-md border border-line-strong bg-surface text-muted hover:border-accent hover:text-accent focus-visible:opacity-100"
          >
            <Plus aria-hidden className="size-3" />
          </button>
        </EdgeLabelRenderer>
      ) : null}
    </>
  );
});
