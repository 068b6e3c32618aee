import type { ClaimedRun } from '@millrace/db/run-ownership';
import type { Span, Tracing } from '@millrace/shared/tracing';
import type { RunState } from '@millrace/workflow/state';

/** A claimed run with the span of this claim. */
export interface TracedRun extends ClaimedRun {
  /** What the next record starts, null when the run is under way: see logStarted. */
  startDue: 'first' | 'afterPause' | null;
  readonly span: Span;
  /** Carried by later wake-ups, so that all claims stand side by side in one trace; undefined while traces are off. */
  readonly traceparent: string | undefined;
}

/** Goes on with the trace of whoever woke the run; a sweeper's wake-up carries none, so a new one begins. */
export function traceRun(tracing: Tracing, claim: ClaimedRun, parent: string | undefined): TracedRun {
  const { workflowId, runId, leaseToken } = claim;
  const attributes = { 'millrace.workflow.id': workflowId, 'millrace.run.id': runId, 'millrace.run.claim': leaseToken };
  const span = tracing.startSpan({ name: 'run', kind: 'consumer', parent, attributes });
  const startDue = isNew(claim.state as Partial<RunState> | null) ? 'first' : null;
  return { ...claim, startDue, span, traceparent: parent ?? span.traceparent };
}

/** Of a run that nobody began; a retry has a state all the same. */
function isNew(state: Partial<RunState> | null): boolean {
  return state === null || state.status === 'created';
}

/** How this claim came to its end. */
export function noteOutcome(
  { span }: TracedRun,
  outcome: 'succeeded' | 'failed' | 'cancelled' | 'paused' | 'handed_back' | 'lease_lost',
): void {
  span.note({ 'millrace.outcome': outcome });
  if (outcome === 'failed' || outcome === 'lease_lost') span.markFailed();
}
