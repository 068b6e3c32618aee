import type { ChildRun } from '@millrace/db/child-runs';
import { type RunSignal, readSignals } from '@millrace/db/run-ownership';
import type { Effect } from '@millrace/workflow/effects';
import type { RunEvent } from '@millrace/workflow/events';
import type { Json } from '@millrace/workflow/json';
import { findStep } from '@millrace/workflow/locate';
import { hasEnded } from '@millrace/workflow/state';
import { z } from 'zod';
import { isAwaitingCall, loadCalls, takeCall } from './calls.ts';
import type { Execution, TimelineEntry } from './execution.ts';
import { apply, noteSuccess } from './notes.ts';
import { persist } from './persist.ts';
import { EvaluationInterruptedError, toStorable } from './step-values.ts';
import { isAwaitingChild, loadChildren, takeChildEnd } from './subworkflow.ts';

/** What the API stores of a decision: an answer to an approval, or about a step whose outcome nobody knows. */
const Decision = z.object({
  decision: z.enum(['approved', 'rejected', 'retry', 'skip', 'fail']),
  value: z.unknown(),
  note: z.string().nullable(),
  by: z.uuid(),
});

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

/** What came for the steps that signals name. */
interface Came {
  calls: ReadonlyMap<string, Json>;
  children: ReadonlyMap<string, ChildRun>;
}

/**
 * Takes in what was said to the run since (R3): each signal becomes an event of the engine, and counts as read in the
 * same record as what came of it. What comes after the end goes with it unheard.
 */
export async function takeSignals(run: Execution): Promise<Effect[]> {
  run.isSpokenTo = false;
  const { orgId, runId } = run.claim;
  const signals = await persist(run.lease, () => readSignals(run.deps.db, orgId, runId));
  const resumed = signals.flatMap(({ type, stepKey }) => (type === 'resume' && stepKey !== null ? [stepKey] : []));
  const came: Came = {
    calls: await loadCalls(
      run,
      resumed.filter((stepKey) => isAwaitingCall(run, stepKey)),
    ),
    children: await loadChildren(
      run,
      resumed.filter((stepKey) => isAwaitingChild(run, stepKey)),
    ),
  };
  return signals.flatMap((signal) => takeIn(run, signal, came));
}

function takeIn(run: Execution, signal: RunSignal, came: Came): readonly Effect[] {
  if (run.changes.signals.includes(signal.number) || hasEnded(run.state)) return [];
  run.changes.signals.push(signal.number);
  run.changes.isDirty = true;
  if (signal.type === 'cancel') {
    // What the API stored, naming who asked.
    run.changes.entries.push(signal.payload as TimelineEntry);
    return apply(run, { type: 'run.cancelled', at: run.clock() });
  }
  if (signal.type === 'resume') return signal.stepKey === null ? [] : resume(run, signal.stepKey, came);
  const decision = Decision.safeParse(signal.payload);
  const event = decision.success && signal.stepKey !== null ? decide(run, signal.stepKey, decision.data) : null;
  return event === null ? [] : apply(run, event);
}

/** Nothing for a step that does not wait, or no longer; one that will wait looks for itself. */
function resume(run: Execution, stepKey: string, { calls, children }: Came): readonly Effect[] {
  if (isAwaitingChild(run, stepKey)) return takeChildEnd(run, stepKey, children);
  return takeCall(run, stepKey, calls);
}

/** Null for a decision that the step does not wait for, or no longer. */
function decide(run: Execution, stepKey: string, { decision, value, note, by }: z.infer<typeof Decision>) {
  const step = findStep(run.state, stepKey);
  if (step?.status !== 'waiting') return null;
  const isAnswer = decision === 'approved' || decision === 'rejected';
  if (step.for !== (isAnswer ? 'approval' : 'decision')) return null;
  run.changes.entries.push({ type: 'step.decided', stepId: stepKey, decision, by, note });
  const at = run.clock();
  if (isAnswer) {
    noteSuccess(run, stepKey, step.attempt, { decision, decidedBy: by, note });
    return { type: 'step.resumed', stepKey, branch: decision, at } satisfies RunEvent;
  }
  if (decision === 'skip') noteSuccess(run, stepKey, step.attempt, asOutput(value));
  return { type: 'step.decided', stepKey, attempt: step.attempt, decision, at } satisfies RunEvent;
}

/** The API has refused what cannot be stored; what an older one let through is no output. */
function asOutput(value: unknown): Json {
  const output = toStorable((value ?? null) as Json);
  return output.ok ? output.value : null;
}
