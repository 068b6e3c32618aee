import { type RunSignal, readSignals } from '@millrace/db/run-ownership';
import type { Effect } from '@millrace/workflow/effects';
import { hasEnded } from '@millrace/workflow/state';
import { apply, type Execution, type TimelineEntry } from './execution.ts';
import { persist } from './persist.ts';
import { EvaluationInterruptedError } from './step-values.ts';

/**
 * Notes that the run has signals. They are taken in when the run comes to it; only a cancel does not wait for an
 * evaluation to end. What fails here is made up for by the next heartbeat, which finds the signal still unread.
 */
export function noteSignals(run: Execution): void {
  run.isSpokenTo = true;
  run.inbox.push({ type: 'signals' });
  const { evaluation } = run;
  if (evaluation === null) return;
  const { orgId, runId } = run.claim;
  readSignals(run.deps.db, orgId, runId).then(
    (signals) => {
      if (signals.some(({ type }) => type === 'cancel')) evaluation.abort(new EvaluationInterruptedError());
    },
    () => {},
  );
}

/**
 * Takes in what was said to the run since (R3): each signal becomes an event of the engine, and counts as read in the
 * same record as what came of it. What comes after the end goes with it unheard.
 */
export async function takeSignals(run: Execution): Promise<Effect[]> {
  run.isSpokenTo = false;
  const { orgId, runId } = run.claim;
  const signals = await persist(run.lease, () => readSignals(run.deps.db, orgId, runId));
  return signals.flatMap((signal) => takeIn(run, signal));
}

function takeIn(run: Execution, signal: RunSignal): readonly Effect[] {
  if (run.changes.signals.includes(signal.number) || hasEnded(run.state)) return [];
  run.changes.signals.push(signal.number);
  run.changes.isDirty = true;
  switch (signal.type) {
    case 'cancel':
      // What the API stored, naming who asked.
      run.changes.entries.push(signal.payload as TimelineEntry);
      return apply(run, { type: 'run.cancelled', at: run.clock() });
    default:
      return [];
  }
}
