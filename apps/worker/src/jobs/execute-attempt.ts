import { setTimeout as delay } from 'node:timers/promises';
import {
  abandonAttempt,
  endAttempt,
  type HeldAttempt,
  type TakenAttempt,
  takeAttempt,
} from '@millrace/db/run-attempts';
import type { AttemptOffer } from '@millrace/queue/attempts';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import type { Json } from '@millrace/workflow/json';
import { locate } from '@millrace/workflow/locate';
import type { Deps } from '../deps.ts';
import type { AttemptLease } from '../runs/attempt-leases.ts';
import type { AttemptSlots } from '../runs/attempt-slots.ts';
import type { AttemptOutcome } from '../runs/execution.ts';
import { openFiles } from '../runs/files.ts';
import { LEASE_MS, LeaseLostError } from '../runs/lease.ts';
import { observeAttempt, outcomeOf } from '../runs/observe.ts';
import { performAction } from '../runs/perform-action.ts';
import { persist } from '../runs/persist.ts';

/** An offer waits so long for a slot of this process; its owner takes back what nobody took. */
const SLOT_WAIT_MS = 2_000;

/**
 * Serves one offer: takes the attempt if it is still to be had, executes it as the run's owner would, stores its outcome and rings
 * the owner. Offers of anything else are dropped without effect; rows decide, never the job. Throws when the database
 * cannot be reached, and whatever unexpected went wrong.
 */
export async function executeAttempt(deps: Deps, { traceparent, ...offer }: AttemptOffer): Promise<void> {
  if (!(await takeSlot(deps.slots))) return;
  try {
    if (deps.shutdown.draining.aborted) return;
    const held: HeldAttempt = { ...offer, executorId: newId(), leaseMs: LEASE_MS };
    const sentAt = performance.now();
    const taken = await takeAttempt(deps.db, held);
    if (taken === null) return;
    const lease = deps.attemptLeases.keep(held, sentAt, taken.remainingMs);
    try {
      await executeTaken(deps, { held, taken, lease, traceparent });
    } catch (error) {
      if (error instanceof LeaseLostError) return;
      await abandonAttempt(deps.db, held);
      throw error;
    } finally {
      lease.stop();
    }
  } finally {
    deps.slots.giveBack();
  }
}

interface Taken {
  held: HeldAttempt;
  taken: TakenAttempt;
  lease: AttemptLease;
  traceparent: string | undefined;
}

/** Throws a LeaseLostError when nobody wants the outcome any more. */
async function executeTaken(deps: Deps, { held, taken, lease, traceparent }: Taken): Promise<void> {
  const { orgId, runId, stepKey, attempt } = held;
  const { workflowId, version } = taken;
  const prepared = await persist(lease, () => deps.planner({ orgId, workflowId, version }));
  if (!prepared.ok) throw new Error(`the version of an offered attempt cannot be run: ${prepared.problem}`);
  const { plan } = prepared;
  const attributes = { 'millrace.workflow.id': workflowId, 'millrace.run.id': runId };
  const span = deps.tracing.startSpan({ name: 'attempt', kind: 'consumer', parent: traceparent, attributes });
  failPoint('attempt.taken-before-sent');
  const startedAt = performance.now();
  const { stopping } = deps.shutdown;
  const signal = AbortSignal.any([lease.signal, stopping]);
  const outcome = await performAction({
    ...{ node: locate(plan, stepKey)?.node, runId, stepKey, signal, lease, http: deps.http },
    input: taken.input as Json, // rows hold what this program stored
    files: openFiles(deps, { owner: { ...held, taken: held }, lease, signal }),
  });
  const observed = { plan, claim: { span, workflowId, runId } };
  observeAttempt(observed, { stepKey, attempt, startedAt }, signal.aborted ? 'cancelled' : outcomeOf(outcome));
  span.end();
  lease.signal.throwIfAborted();
  failPoint('attempt.answered-before-stored');
  // Nobody knows whether it had its effect: to its owner that is as if this worker had died.
  if (stopping.aborted) await persist(lease, () => abandonAttempt(deps.db, held));
  else await store(deps, held, lease, outcome);
  failPoint('attempt.stored-before-ring');
  // Who misses it looks twice a second.
  await deps.queue.ringOutcome(runId).catch(() => {});
}

function store(deps: Deps, held: HeldAttempt, lease: AttemptLease, outcome: AttemptOutcome): Promise<void> {
  return persist(lease, () => endAttempt(deps.db, held, outcome));
}

/** False: none became free in time. */
async function takeSlot(slots: AttemptSlots): Promise<boolean> {
  const deadline = performance.now() + SLOT_WAIT_MS;
  while (!slots.take()) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    slots.whenFree(resolve);
    await Promise.race([promise, delay(leftMs)]);
    slots.forget(resolve);
  }
  return true;
}
