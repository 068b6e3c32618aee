'use client';
import { CircleDashed } from 'lucide-react';
import { cn } from '../../ui/cn.ts';
import { type NodeState, sayState } from './node-states.ts';
import { lookOfStatus } from './run-status.ts';
import { STATUS_ICONS } from './run-status-badge.tsx';

const COLOURS = {
  success: 'text-success',
  danger: 'text-danger',
  info: 'text-accent',
  warning: 'text-warning',
  neutral: 'text-muted',
} as const;

/** How a step of the canvas stands, in one line: icon and words. */
export function StepState({ state }: { state: NodeState }) {
  const { tone, isLive } = lookOfStatus(state.status);
  const Icon = STATUS_ICONS[state.status] ?? CircleDashed;
  return (
    <div className={cn('flex items-center gap-1 text-xs font-medium', COLOURS[tone])}>
      <Icon aria-hidden className={cn('size-3.5 shrink-0', isLive && 'motion-safe:animate-spin')} />
      <span className="truncate">{sayState(state)}</span>
    </div>
  );
}
