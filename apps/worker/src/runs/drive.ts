import type { CollectedAttempt } from '@millrace/db/run-attempts';
import { failPoint } from '@millrace/shared/fail-points';
import type { Effect } from '@millrace/workflow/effects';
import { findStep, locate } from '@millrace/workflow/locate';
import { resume } from '@millrace/workflow/resume';
import { countAttempts, nextDueAt, runStatus } from '@millrace/workflow/run-status';
import { hasEnded } from '@millrace/workflow/state';
import { act, note } from './act.ts';
import { startWaiting } from './attempts.ts';
import { endDueCalls } from './calls.ts';
import { handBack } from './commit.ts';
import { type AttemptOutcome, type Execution, isHandingBack, type Message } from './execution.ts';
import { apply, noteSuccess, stepFailed } from './notes.ts';
import { bringBack, closeOffers, collect, collected } from './offers.ts';
import { assertHeld } from './persist.ts';
import { startFrom } from './run-events.ts';
import { noteSignals, takeSignals } from './signals.ts';
import { loadInputs } from './stored-values.ts';
import { awaitChild } from './subworkflow.ts';

/** How this process is done with a run: it ended, it pauses until something is due or said, or another worker goes on. */
export type Parting = 'ended' | 'paused' | 'handedBack';

/**
 * Executes a claimed run until this process is done with it. Events are handled strictly one after another; attempts
 * run side by side and report through the inbox. Throws a LeaseLostError when the run is no longer ours, and whatever
 * unexpected went wrong.
 */
export async function drive(run: Execution): Promise<Parting> {
  const stopListening = listen(run);
  try {
    run.claim.startDue = startFrom(run.state);
    await loadInputs(run);
    // What was said before this claim is taken in before anything is done: a cancelled run sends nothing more.
    if (run.claim.hasSignals) run.inbox.push({ type: 'signals' });
    await act(run, await begin(run));
    for (;;) {
      const parting = await part(run);
      if (parting !== null) return parting;
      scheduleDue(run);
      await handle(run, await run.inbox.next());
      assertHeld(run.lease); // a frozen process wakes with old outcomes; nothing new may start on them
      startWaiting(run);
    }
  } finally {
    stopListening();
    clearTimeout(run.dueTimer);
    run.deps.slots.forget(run.onSlotFree);
    closeOffers(run);
    for (const { controller } of run.attempts.values()) controller.abort();
  }
}

async function begin(run: Execution): Promise<readonly Effect[]> {
  const previous = run.state;
  const at = run.clock();
  // Work that follows from a call is found by the state, like all other work.
  note(run, await endDueCalls(run, at));
  const [state, effects] = resume(run.plan, run.state, at);
  if (state !== previous) run.changes.isDirty = true;
  run.state = state;
  run.attemptCount = Math.max(run.attemptCount, countAttempts(state));
  return effects;
}

function listen(run: Execution): () => void {
  const { lease, deps, inbox } = run;
  lease.onSignals(() => noteSignals(run));
  const sources: [AbortSignal, Message['type'] & ('leaseLost' | 'drain' | 'stop')][] = [
    [lease.signal, 'leaseLost'],
    [deps.shutdown.draining, 'drain'],
    [deps.shutdown.stopping, 'stop'],
  ];
  const listeners = sources.map(([signal, type]) => {
    const push = () => inbox.push({ type });
    signal.addEventListener('abort', push, { once: true });
    return () => signal.removeEventListener('abort', push);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}

/** Null while there is something to do or to wait for here. */
async function part(run: Execution): Promise<Parting | null> {
  if (hasEnded(run.state)) return 'ended';
  if (runStatus(run.state).status !== 'running') {
    // Recorded as given up already, unless a take-over found nothing to change.
    if (!run.isGivenUp) await handBack(run);
    return run.isGivenUp ? 'paused' : null;
  }
  if (!isHandingBack(run)) return null;
  await handBack(run);
  return run.isGivenUp ? 'handedBack' : null;
}

async function handle(run: Execution, message: Message): Promise<void> {
  switch (message.type) {
    case 'attempt':
      await handleOutcome(run, message);
      // One that was offered first has a row.
      if (run.offers.isUsed) run.offers.done.push({ stepKey: message.stepKey, attempt: message.attempt });
      break;
    case 'collected':
      for (const one of message.collected) await handleCollected(run, one);
      collected(run, message.collected);
      break;
    case 'due':
      await passTime(run, run.clock());
      break;
    case 'signals':
      if (run.isSpokenTo) await act(run, await takeSignals(run));
      break;
    case 'leaseLost':
      throw run.lease.signal.reason;
    case 'drain':
      // What nobody has begun is left to the next owner.
      if (run.offers.open.size > 0) collect(run);
      break;
    case 'slotFree':
    case 'stop':
      break;
    default:
      message satisfies never;
  }
}

async function passTime(run: Execution, at: number): Promise<void> {
  const calls = await endDueCalls(run, at);
  await act(run, [...calls, ...apply(run, { type: 'time.passed', at })]);
}

/** One that was revoked meanwhile, or that is this worker's own by now, is no news. */
async function handleCollected(run: Execution, one: CollectedAttempt): Promise<void> {
  const { stepKey, attempt } = one;
  const offer = run.offers.open.get(stepKey);
  if (offer?.planned.attempt !== attempt) {
    if (one.status === 'ended') await noteLate(run, { ...one, outcome: one.outcome as AttemptOutcome });
    return;
  }
  const isLostForGood = one.status === 'lost' && locate(run.plan, stepKey)?.node.idempotency === 'none';
  if (one.status === 'taken') offer.isTaken = true;
  else if (one.status !== 'ended' && !isLostForGood) bringBack(run, offer.planned);
  else {
    run.offers.open.delete(stepKey);
    // What a worker stored is an outcome.
    const outcome = one.status === 'ended' ? (one.outcome as AttemptOutcome) : { ok: false as const, error: LOST };
    await handleOutcome(run, { stepKey, attempt, outcome });
    run.offers.done.push({ stepKey, attempt });
  }
}

const LOST = {
  ...{ code: 'WORKER_LOST', message: 'The worker that executed this attempt was lost.' },
  ...{ retryable: false, mayHaveHappened: true },
};

type Outcome = Omit<Extract<Message, { type: 'attempt' }>, 'type'>;

async function handleOutcome(run: Execution, { stepKey, attempt, outcome }: Outcome) {
  if (run.attempts.get(stepKey)?.attempt !== attempt) return await noteLate(run, { stepKey, attempt, outcome });
  run.attempts.delete(stepKey);
  run.changes.holdsResult = true;
  failPoint('step.answered-before-record');
  if (outcome.ok) {
    const { child } = outcome;
    if (child) run.changes.entries.push({ type: 'step.child_started', stepId: stepKey, childRunId: child.runId });
    if (child?.isAwaited) return await act(run, awaitChild(run, stepKey, attempt, child));
    noteSuccess(run, stepKey, attempt, outcome.output);
    await act(run, apply(run, { type: 'step.succeeded', stepKey, attempt, at: run.clock() }));
    return;
  }
  const { mayHaveHappened, ...error } = outcome.error;
  // Sent, and nobody knows what became of it: where it must not happen twice a person decides (rule 13).
  if (mayHaveHappened && locate(run.plan, stepKey)?.node.idempotency === 'none') {
    run.errors.set(stepKey, { code: error.code, message: error.message });
    await act(run, apply(run, { type: 'step.unknown', stepKey, attempt, at: run.clock() }));
    return;
  }
  await act(run, apply(run, stepFailed(run, stepKey, attempt, error)));
}

/**
 * Of a step that was cancelled while its run goes on the result is dropped, and the timeline says so: it may have had its
 * effect. A run that has ended, or is given up, takes no more entries.
 */
async function noteLate(run: Execution, { stepKey, attempt, outcome }: Outcome): Promise<void> {
  // All that is left of an attempt that was stopped in time, or of one that was never sent, is no news.
  const isNews = outcome.ok || (outcome.error.mayHaveHappened === true && outcome.error.code !== 'ABORTED');
  const status = findStep(run.state, stepKey)?.status ?? 'cancelled'; // with the loop around it
  if (!isNews || status !== 'cancelled' || hasEnded(run.state) || run.isGivenUp) return;
  run.changes.entries.push({ type: 'step.late_result', stepId: stepKey, attempt });
  run.changes.isDirty = true;
  await act(run, []);
}

/** What is due while other steps run stays with this process. Firing early does no harm: nothing is due then. */
function scheduleDue(run: Execution): void {
  clearTimeout(run.dueTimer);
  const dueAt = nextDueAt(run.state);
  if (dueAt === null) return;
  const delayMs = Math.min(Math.max(dueAt - run.clock(), 0) + 1, LONGEST_TIMER_MS);
  run.dueTimer = setTimeout(() => run.inbox.push({ type: 'due' }), delayMs);
}

/** Longer timers overflow in Node and fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
