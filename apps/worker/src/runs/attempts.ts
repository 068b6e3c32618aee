import { jobRejected } from '@millrace/shared/events';
import type { Json } from '@millrace/workflow/json';
import { locate } from '@millrace/workflow/locate';
import type { AttemptOutcome, Execution, PlannedAttempt } from './execution.ts';
import { openFiles } from './files.ts';
import { LeaseLostError } from './lease.ts';
import { observeAttempt, outcomeOf } from './observe.ts';
import { countHere, MAX_IN_FLIGHT, mayOffer, offerWaiting } from './offers.ts';
import { performAction, STOPPED } from './perform-action.ts';
import { startChild } from './subworkflow.ts';

/**
 * Starts what is recorded as running, up to the limits of the run and of the process, and offers to all workers what is more than
 * the owner's share; unless the program is ending: then another worker starts it. Outcomes come through the inbox, and so
 * does a slot that has become free.
 */
export function startWaiting(run: Execution): void {
  if (run.waiting.length === 0 || run.deps.shutdown.draining.aborted) return;
  startHere(run);
  offerWaiting(run);
  // Some of the rest was found to stay here.
  startHere(run);
}

function startHere(run: Execution): void {
  const { slots } = run.deps;
  for (let index = nextHere(run); index >= 0; index = nextHere(run)) {
    if (!slots.take()) {
      slots.whenFree(run.onSlotFree);
      return;
    }
    for (const planned of run.waiting.splice(index, 1)) startAttempt(run, planned);
  }
}

/** Beyond its share the owner starts only what nobody else can. -1: nothing now. */
function nextHere(run: Execution): number {
  const count = countHere(run);
  if (count >= MAX_IN_FLIGHT) return -1;
  if (count < run.deps.config.WORKFLOW_LOCAL_ATTEMPTS || !mayOffer(run)) return run.waiting.length > 0 ? 0 : -1;
  return run.waiting.findIndex(({ staysHere }) => staysHere);
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

async function actOnce(run: Execution, stepKey: string, input: Json, signal: AbortSignal): Promise<AttemptOutcome> {
  const node = locate(run.plan, stepKey)?.node;
  if (node?.kind.actsFirst) return await startChildSafely(run, stepKey, input);
  const { deps, lease } = run;
  const { orgId, runId, leaseToken } = run.claim;
  const files = openFiles(deps, { owner: { orgId, runId, leaseToken, stepKey }, lease, signal });
  return await performAction({ node, runId, stepKey, input, http: deps.http, files, lease, signal });
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
