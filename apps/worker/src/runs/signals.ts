import { type RunSignal, readSignals } from '@millrace/db/run-ownership';
import type { Effect } from '@millrace/workflow/effects';
import { hasEnded } from '@millrace/workflow/state';
import type { Execution, TimelineEntry } from './execution.ts';
import { apply } from './perform.ts';
import { persist } from './persist.ts';

/**
 * Takes in what was said to the run since (R3): each signal becomes an event of the engine, and counts as read in the
 * same record as what came of it. One that comes too late changes nothing, and is read all the same.
 */
export async function takeSignals(run: Execution): Promise<Effect[]> {
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
