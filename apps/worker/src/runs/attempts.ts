import { findAction } from '@millrace/connectors/catalog';
import { runAction } from '@millrace/connectors/run-action';
import type { Json } from '@millrace/workflow/json';
import { locate } from '@millrace/workflow/locate';
import type { AttemptOutcome, Execution, PlannedAttempt } from './execution.ts';
import { observeAttempt, outcomeOf } from './observe.ts';

/** Attempts of one run in flight at once; the others of a wide fan-out wait their turn. */
const MAX_IN_FLIGHT = 20;

/**
 * Starts what is recorded as running, up to the limit, unless the program is ending: then another worker starts it.
 * Outcomes come through the inbox.
 */
export function startWaiting(run: Execution): void {
  while (run.attempts.size < MAX_IN_FLIGHT && !run.deps.shutdown.draining.aborted) {
    const planned = run.waiting.shift();
    if (planned === undefined) return;
    startAttempt(run, planned);
  }
}

function startAttempt(run: Execution, { stepKey, attempt, input }: PlannedAttempt): void {
  const controller = new AbortController();
  run.attempts.set(stepKey, { attempt, controller });
  const startedAt = performance.now();
  void actOnce(run, stepKey, input, controller.signal).then((outcome) => {
    observeAttempt(run, { stepKey, attempt, startedAt }, controller.signal.aborted ? 'cancelled' : outcomeOf(outcome));
    run.inbox.push({ type: 'attempt', stepKey, attempt, outcome });
  });
}

/** Never rejects: a bug in an action fails the step, not the worker. */
async function actOnce(run: Execution, stepKey: string, input: Json, signal: AbortSignal): Promise<AttemptOutcome> {
  const node = locate(run.plan, stepKey)?.node;
  const action = findAction(node?.kind.type ?? '');
  if (node === undefined || action === undefined) {
    return {
      ok: false,
      error: { code: 'ACTION_UNKNOWN', message: 'This worker has no such action.', retryable: false },
    };
  }
  try {
    const result = await runAction(action, {
      input,
      http: run.deps.http,
      idempotencyKey: `${run.claim.runId}:${stepKey}`,
      signal,
      maySend: () => run.lease.remainingMs() > 0,
      ...(node.timeoutMs === null ? {} : { timeoutMs: node.timeoutMs }),
    });
    // runAction answers copied JSON.
    return result.ok ? { ok: true, output: result.output as Json } : result;
  } catch {
    return { ok: false, error: { code: 'INTERNAL', message: 'The step stopped unexpectedly.', retryable: false } };
  }
}
