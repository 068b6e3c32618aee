import { endCalls, readCalls } from '@millrace/db/run-calls';
import type { Effect } from '@millrace/workflow/effects';
import type { Json } from '@millrace/workflow/json';
import { findStep } from '@millrace/workflow/locate';
import { listSteps } from '@millrace/workflow/run-status';
import type { Execution } from './execution.ts';
import { apply, noteSuccess } from './notes.ts';
import { persist } from './persist.ts';

/** Calls to the addresses of steps that wait for one. The first row of a step decides what becomes of it; see run-calls.ts. */

type Calls = ReadonlyMap<string, Json>;

/** What was sent to these steps, of those that somebody called. */
export async function loadCalls(run: Execution, stepKeys: readonly string[]): Promise<Calls> {
  if (stepKeys.length === 0) return new Map();
  // Rows hold JSON.
  return (await persist(run.lease, () => readCalls(run.deps.db, run.claim, stepKeys))) as Map<string, Json>;
}

export function noteCall(run: Execution, stepKey: string, attempt: number, input: Json): void {
  run.changes.entries.push({ type: 'step.called', stepId: stepKey });
  noteSuccess(run, stepKey, attempt, input);
}

/** The call becomes the output of the step that waits for it; nothing for one that does not, or no longer. */
export function takeCall(run: Execution, stepKey: string, calls: Calls): readonly Effect[] {
  const step = findStep(run.state, stepKey);
  const input = calls.get(stepKey);
  if (step?.status !== 'waiting' || step.for !== 'webhook' || input === undefined) return [];
  noteCall(run, stepKey, step.attempt, input);
  return apply(run, { type: 'step.resumed', stepKey, at: run.clock() });
}

export function isAwaitingCall(run: Execution, stepKey: string): boolean {
  const step = findStep(run.state, stepKey);
  return step?.status === 'waiting' && step.for === 'webhook';
}

/**
 * Before the time of waiting steps is over: from now on nobody can call them, and a call that was accepted in the last moment
 * is taken in. Whoever was told that their call is stored may rely on it.
 */
export async function endDueCalls(run: Execution, at: number): Promise<Effect[]> {
  const due = listSteps(run.state).flatMap(({ stepKey, step }) =>
    step.status === 'waiting' && step.for === 'webhook' && step.dueAt !== null && step.dueAt <= at ? [stepKey] : [],
  );
  if (due.length === 0) return [];
  const calls = await persist(run.lease, () => endCalls(run.deps.db, run.claim, due));
  return due.flatMap((stepKey) => takeCall(run, stepKey, calls as Map<string, Json>));
}
