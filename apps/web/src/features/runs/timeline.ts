import type { RunStatus, Step } from '@millrace/shared/contracts/runs';
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

/** A step as it is shown: what was not read yet is known by its status alone. */
export interface LiveStep extends Step {
  isRead: boolean;
}

/** Steps as they were read, with the status that the timeline told since: it is there before the next reading. */
export function withLiveStatuses(steps: readonly Step[], entries: readonly TimelineEntry[]): LiveStep[] {
  const told = new Map<string, Step['status']>();
  for (const { type, stepId } of entries) {
    const status = STEP_STATUSES[type];
    if (status && stepId) told.set(stepId, status);
  }
  const read = steps.map((step) => ({ ...step, status: told.get(step.stepId) ?? step.status, isRead: true }));
  for (const { stepId } of read) told.delete(stepId);
  return [...read, ...[...told].map(([stepId, status]) => ({ ...UNREAD, stepId, status }))];
}

const UNREAD = {
  ...{ type: '', attempt: 1, input: null, output: null, error: null },
  ...{ startedAt: null, finishedAt: null, isRead: false },
} as const;

/** How the run stands: as it was read, or as the timeline told since. */
export function liveRunStatus(status: RunStatus, entries: readonly TimelineEntry[]): RunStatus {
  const ends = entries.flatMap(({ type }) => RUN_STATUSES[type] ?? []);
  return ends.at(-1) ?? status;
}

const RUN_STATUSES: Record<string, RunStatus> = {
  'run.succeeded': 'succeeded',
  'run.failed': 'failed',
  'run.cancelled': 'cancelled',
};

/** What the name of an entry does not say by itself. */
const SAID: Record<string, string> = { 'step.late_result': 'step result came too late and was dropped' };

/** "step.succeeded" as "Step succeeded". */
export function sayEntry({ type, stepId }: TimelineEntry): string {
  const words = SAID[type] ?? type.replaceAll(/[._]/g, ' ');
  return stepId ? `${stepId}: ${words.replace(/^step /, '')}` : words.charAt(0).toUpperCase() + words.slice(1);
}
