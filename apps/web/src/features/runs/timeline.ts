import type { Step } from '@millrace/shared/contracts/runs';
import type { TimelineEntry } from './follow-run.ts';

const STEP_STATUSES: Record<string, Step['status']> = {
  'step.started': 'running',
  'step.running': 'running',
  'step.waiting': 'waiting',
  'step.succeeded': 'succeeded',
  'step.failed': 'failed',
  'step.skipped': 'skipped',
  'step.cancelled': 'cancelled',
  'step.pending': 'pending',
};

/** Steps as they were read, with the status that the timeline told since: it is there before the next reading. */
export function withLiveStatuses(steps: Step[], entries: readonly TimelineEntry[]): Step[] {
  const told = new Map<string, Step['status']>();
  for (const { type, stepId } of entries) {
    const status = STEP_STATUSES[type];
    if (status && stepId) told.set(stepId, status);
  }
  return steps.map((step) => ({ ...step, status: told.get(step.stepId) ?? step.status }));
}

/** "step.succeeded" as "Step succeeded". */
export function sayEntry({ type, stepId }: TimelineEntry): string {
  const words = type.replaceAll(/[._]/g, ' ');
  return stepId ? `${stepId}: ${words.replace(/^step /, '')}` : words.charAt(0).toUpperCase() + words.slice(1);
}
