'use client';
import { Handle, type NodeProps, Position } from '@xyflow/react';
import { type LucideIcon, Pin, Plus } from 'lucide-react';
import { type ReactNode, useRef } from 'react';
import { cn } from '../../ui/cn.ts';
import { StepState } from '../runs/step-state.tsx';
import { type Handle as Branch, type CanvasNode, handleId } from './canvas.ts';
import { useCommands } from './commands-context.tsx';

const TONES = {
  start: 'bg-success-soft text-success',
  call: 'bg-accent-soft text-accent',
  data: 'bg-sunken text-ink',
  choice: 'bg-warning-soft text-warning',
  loop: 'bg-accent-soft text-accent',
  wait: 'bg-sunken text-muted',
  end: 'bg-danger-soft text-danger',
  unknown: 'bg-sunken text-muted',
} as const;

/** What a run did without. */
const NOT_DONE = new Set(['skipped', 'unreached']);

interface StepNodeProps extends NodeProps<CanvasNode> {
  icon: LucideIcon;
  tone: keyof typeof TONES;
  isFirst?: boolean;
  footer?: ReactNode;
  /** What it does, in one line. */
  children: ReactNode;
}

/** What all kinds share: its card, a handle for what leads to it and one for each branch. */
export function StepNode({ id, data, selected, icon: Icon, tone, isFirst, footer, children }: StepNodeProps) {
  const renders = useRef(0);
  renders.current += 1;
  return (
    <div
      // Read by the browser test that counts which steps are rendered again.
      data-renders={renders.current}
      className={cn(
        'step-card relative w-[232px] rounded-xl border bg-surface text-left shadow-card',
        data.problemCount > 0 || data.state?.status === 'failed' ? 'border-danger/60' : 'border-line-strong',
        NOT_DONE.has(data.state?.status ?? '') && 'border-dashed',
        selected && 'border-accent ring-2 ring-accent/40',
      )}
    >
      {isFirst ? null : <Handle type="target" position={Position.Top} />}
      <div className="flex items-start gap-2.5 p-3">
        <span className={cn('grid size-8 shrink-0 place-items-center rounded-lg', TONES[tone])}>
          <Icon aria-hidden className="size-4" />
        </span>
        <div className="grid min-w-0 flex-1 gap-0.5">
          <div className="flex items-center gap-1.5">
            <span className="truncate text-[0.8125rem] font-semibold">{data.name}</span>
            {data.isPinned ? <Pin aria-label="Output pinned" className="size-3 shrink-0 text-accent" /> : null}
            {data.problemCount > 0 ? (
              <span className="ml-auto grid h-4.5 min-w-4.5 shrink-0 place-items-center rounded-full bg-danger px-1 text-2xs font-semibold text-on-accent">
                {data.problemCount}
              </span>
            ) : null}
          </div>
          <div className="truncate text-xs text-muted">{children}</div>
          {data.state ? <StepState state={data.state} /> : null}
        </div>
      </div>
      {footer}
      {data.handles.map((branch, index) => (
        <Outlet
          key={handleId(branch)}
          stepId={id}
          branch={branch}
          left={(100 * (index + 1)) / (data.handles.length + 1)}
          isLoose={data.loose.includes(branch)}
        />
      ))}
    </div>
  );
}

interface OutletProps {
  stepId: string;
  branch: Branch;
  left: number;
  isLoose: boolean;
}

/** A branch: what it is called, a handle to draw a line from and, while it leads nowhere, a "+". */
function Outlet({ stepId, branch, left, isLoose }: OutletProps) {
  const { openCommands } = useCommands();
  const spot = { at: 'after', from: stepId, ...(branch === null ? {} : { branch }) } as const;
  const position = { left: `${left}%` };
  return (
    <>
      <Handle type="source" id={handleId(branch)} position={Position.Bottom} style={position} />
      {branch === null ? null : (
        <span
          style={position}
          className="pointer-events-none absolute top-full z-10 mt-1.5 -translate-x-1/2 rounded bg-page px-1 text-2xs font-medium text-muted"
        >
          {branch}
        </span>
      )}
      {isLoose && openCommands ? (
        <button
          type="button"
          style={position}
          aria-label={`Add a step after ${stepId}${branch === null ? '' : `, branch ${branch}`}`}
          onClick={() => openCommands(spot)}
          className={cn(
            'nodrag nopan absolute top-full grid size-5 -translate-x-1/2 place-items-center rounded-md border border-line-strong bg-surface text-muted hover:border-accent hover:text-accent',
            branch === null ? 'mt-3.5' : 'mt-7',
          )}
        >
          <Plus aria-hidden className="size-3" />
        </button>
      ) : null}
    </>
  );
}
