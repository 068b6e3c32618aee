import { stepDuration, stepRetries } from '@millrace/shared/metrics';
import { locate } from '@millrace/workflow/locate';
import type { Plan } from '@millrace/workflow/plan';
import type { TracedRun } from './traced-run.ts';

interface Observed {
  readonly plan: Plan;
  readonly claim: Pick<TracedRun, 'span' | 'workflowId' | 'runId'>;
}

interface Attempt {
  stepKey: string;
  attempt: number;
  /** performance.now() when it began. */
  startedAt: number;
}

type StepOutcome = 'succeeded' | 'failed' | 'cancelled';

/** Measures and traces an attempt of an action or a pure step that has just ended here, whether or not its result counts. */
export function observeAttempt(run: Observed, { stepKey, attempt, startedAt }: Attempt, outcome: StepOutcome): void {
  const durationMs = performance.now() - startedAt;
  const type = typeOf(run, stepKey);
  stepDuration.observe({ type, outcome }, durationMs / 1000);
  const { span, workflowId, runId } = run.claim;
  span.addPast({
    name: `step ${type}`,
    durationMs,
    isError: outcome === 'failed',
    attributes: {
      'millrace.workflow.id': workflowId,
      'millrace.run.id': runId,
      'millrace.step.type': type,
      'millrace.step.attempt': attempt,
      'millrace.outcome': outcome,
    },
  });
}

export function outcomeOf({ ok }: { ok: boolean }): StepOutcome {
  return ok ? 'succeeded' : 'failed';
}

/** Counts a repetition that the engine has decided on. */
export function observeRetry(run: Pick<Observed, 'plan'>, stepKey: string): void {
  stepRetries.inc({ type: typeOf(run, stepKey) });
}

/** One of the fixed types of steps: what a document makes up was refused when it was read. */
function typeOf(run: Pick<Observed, 'plan'>, stepKey: string): string {
  return locate(run.plan, stepKey)?.node.kind.type ?? 'unknown';
}
