import { findAction } from '@millrace/connectors/catalog';
import { runAction } from '@millrace/connectors/run-action';
import { jobRejected } from '@millrace/shared/events';
import type { Json } from '@millrace/workflow/json';
import { locate } from '@millrace/workflow/locate';
import type { AttemptOutcome, Execution, PlannedAttempt } from './execution.ts';
import { openFiles } from './files.ts';
import { LeaseLostError } from './lease.ts';
import { observeAttempt, outcomeOf } from './observe.ts';
import { startChild } from './subworkflow.ts';

/** Attempts of one run in flight at once; the others of a wide fan-out wait their turn. */
const MAX_IN_FLIGHT = 20;

/**
 * Starts what is recorded as running, up to the limits of the run and of the process, unless the program is ending: then
 * another worker starts it. Outcomes come through the inbox, and so does a slot that has become free.
 */
export function startWaiting(run: Execution): void {
  const { slots, shutdown } = run.deps;
  while (run.attempts.size < MAX_IN_FLIGHT && !shutdown.draining.aborted) {
    const [planned] = run.waiting;
    if (planned === undefined) return;
    if (!slots.take()) {
      slots.whenFree(run.onSlotFree);
      return;
    }
    run.waiting.shift();
    startAttempt(run, planned);
  }
}

function startAttempt(run: Execution, { stepKey, attempt, input }: PlannedAttempt): void {
  const controller = new AbortController();
  run.attempts.set(stepKey, { attempt, controller });
  const startedAt = performance.now();
  void actOnce(run, stepKey, input, controller.signal).then((outcome) => {
    run.deps.slots.giveBack();
    observeAttempt(run, { stepKey, attempt, startedAt }, controller.signal.aborted ? 'cancelled' : outcomeOf(outcome));
    run.inbox.push({ type: 'attempt', stepKey, attempt, outcome });
  });
}

/** Never rejects: a bug in an action fails the step, not the worker. */
async function actOnce(run: Execution, stepKey: string, input: Json, signal: AbortSignal): Promise<AttemptOutcome> {
  const node = locate(run.plan, stepKey)?.node;
  if (node?.kind.actsFirst) return await startChildSafely(run, stepKey, input);
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
      files: openFiles(run, stepKey, signal),
      idempotencyKey: `${run.claim.runId}:${stepKey}`,
      signal,
      maySend: () => run.lease.remainingMs() > 0,
      ...(node.timeoutMs === null ? {} : { timeoutMs: node.timeoutMs }),
    });
    // runAction answers copied JSON.
    return result.ok ? { ok: true, output: result.output as Json } : result;
  } catch {
    return { ok: false, error: STOPPED };
  }
}

async function startChildSafely(run: Execution, stepKey: string, config: Json): Promise<AttemptOutcome> {
  try {
    return await startChild(run, stepKey, config);
  } catch (error) {
    // Heard by nobody, since the run is lost to this worker; the next owner finds what was started.
    if (!(error instanceof LeaseLostError))
      jobRejected(run.deps.log, { jobName: 'run.execute', error: error instanceof Error ? error.message : 'unknown' });
    return { ok: false, error: STOPPED };
  }
}

const STOPPED = { code: 'INTERNAL', message: 'The step stopped unexpectedly.', retryable: false };
