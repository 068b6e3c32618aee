import type { RunState } from '@millrace/workflow/state';

/** The retry that is due first, `dueAt` in epoch milliseconds; null when none is awaited. */
export function firstRetry(state: RunState): { stepKey: string; dueAt: number } | null {
  let first: { stepKey: string; dueAt: number } | null = null;
  for (const [stepKey, step] of Object.entries(state.steps)) {
    if (step.status !== 'waiting' || step.dueAt === null) continue;
    if (first === null || step.dueAt < first.dueAt) first = { stepKey, dueAt: step.dueAt };
  }
  return first;
}
