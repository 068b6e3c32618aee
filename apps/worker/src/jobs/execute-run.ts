import { isDatabaseTransient } from '@millrace/db/failures';
import { type Claim, claimRun, recordRun } from '@millrace/db/run-ownership';
import type { WakeOutcome } from '@millrace/queue/consumer';
import type { RunWake } from '@millrace/queue/jobs';
import { dependencyFailed, jobRejected, runLeaseLost } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { nextDueAt } from '@millrace/workflow/run-status';
import { hasEnded, type RunState } from '@millrace/workflow/state';
import type { Deps } from '../deps.ts';
import { giveOnPlace, wakeAdmitted } from '../runs/admitted.ts';
import { enter, leave } from '../runs/concurrency.ts';
import { drive, type Parting } from '../runs/drive.ts';
import { type Execution, openExecution } from '../runs/execution.ts';
import { failRun } from '../runs/fail-run.ts';
import { LEASE_MS, type Lease, LeaseLostError } from '../runs/lease.ts';
import { hasEndedHere } from '../runs/own-end.ts';
import { persist } from '../runs/persist.ts';
import { logEnded, logPaused, refOf } from '../runs/run-events.ts';
import { noteOutcome, type TracedRun, traceRun } from '../runs/traced-run.ts';

/** From so many leases lost in a row a run executes alone in its worker; at the higher number it is given up. */
const LOST_CLAIMS_ALONE = 2;
const LOST_CLAIMS_MAX = 10;
/** While a run waits to be alone no other one begins, so it may not wait long, nor be claimed again soon. */
const ALONE_WAIT_MS = 2_000;
const ALONE_DELAY_MS = 20_000;
/** What kills its owner does so soon, and a step may take an hour: from then on others need not wait for it. */
const ALONE_MOST_MS = 10_000;

/** How soon a wake-up that could not be served comes again. */
const BUSY_DELAY_MS = 2_000;
const LOST_DELAY_MS = 1_000;
const EARLY_WINDOW_MS = 1_000;
/** A pause longer than this is left to the sweeper. */
const FAR_MS = 3_600_000;

const DONE: WakeOutcome = { status: 'done' };

/**
 * Serves one wake-up: claims the run if it is due and executes it until it ends, pauses or is handed over. Wake-ups for
 * anything else are done without effect; rows decide, never the job. A database that cannot be reached brings the
 * wake-up back later.
 */
export async function executeRun(deps: Deps, wake: RunWake): Promise<WakeOutcome> {
  const leave = await deps.gate.enter();
  try {
    if (deps.shutdown.draining.aborted) return later(0);
    const claimedAt = performance.now();
    const claim = await claimRun(deps.db, { ...wake, leaseMs: LEASE_MS });
    if (claim.admitted.length > 0) failPoint('run.admitted-by-claim-before-wake');
    void wakeAdmitted(deps, wake.orgId, claim.admitted);
    if (claim.status !== 'claimed') return outcomeOf(claim);
    failPoint('run.claimed-before-act');
    const lease = deps.leases.keep(claim.run, claimedAt);
    const run = traceRun(deps.tracing, claim.run, wake.traceparent);
    try {
      return await executeClaimed(deps, run, lease, leave);
    } finally {
      lease.stop();
      run.span.end();
      if (run.isCounted) await giveOnPlace(deps, wake.orgId);
    }
  } catch (error) {
    if (!isDatabaseTransient(error)) throw error;
    dependencyFailed(deps.log, { dependency: 'postgresql', error: messageOf(error) });
    return later(LOST_DELAY_MS);
  } finally {
    leave();
  }
}

function outcomeOf(claim: Exclude<Claim, { status: 'claimed' }>): WakeOutcome {
  switch (claim.status) {
    case 'gone':
    case 'held':
      return DONE;
    case 'busy':
      return later(BUSY_DELAY_MS);
    case 'notDue': {
      // A delayed wake-up may come a little early, clocks differ. For anything later another wake-up or the sweeper comes.
      const { dueInMs } = claim;
      return dueInMs !== null && dueInMs < EARLY_WINDOW_MS ? later(Math.max(Math.ceil(dueInMs), 20)) : DONE;
    }
    default:
      return claim satisfies never;
  }
}

async function executeClaimed(deps: Deps, claim: TracedRun, lease: Lease, leave: () => void): Promise<WakeOutcome> {
  try {
    if (claim.lostClaims >= LOST_CLAIMS_MAX) {
      const message = `The run was given up because ${claim.lostClaims} workers were lost in a row while executing it.`;
      await failRun(deps, claim, lease, { code: 'WORKER_LOST', message });
      return DONE;
    }
    if (claim.lostClaims < LOST_CLAIMS_ALONE) return await execute(deps, claim, lease);
    leave();
    return await executeAlone(deps, claim, lease);
  } catch (error) {
    if (!(error instanceof LeaseLostError)) throw error;
    runLeaseLost(deps.log, refOf(claim));
    noteOutcome(claim, 'lease_lost');
    return later(LOST_DELAY_MS);
  }
}

async function executeAlone(deps: Deps, claim: TracedRun, lease: Lease): Promise<WakeOutcome> {
  const leaveAlone = await deps.gate.enterAlone(ALONE_WAIT_MS);
  if (leaveAlone === null) return await executeBeside(deps, claim, lease);
  const timer = setTimeout(leaveAlone, ALONE_MOST_MS);
  try {
    // With the first progress the run is no suspect any more, and others need not wait for its long steps.
    return await execute(deps, claim, lease, leaveAlone);
  } finally {
    clearTimeout(timer);
    leaveAlone();
  }
}

/** For a run that could not be alone: it is handed back for a while, unless that has happened often enough. */
async function executeBeside(deps: Deps, claim: TracedRun, lease: Lease): Promise<WakeOutcome> {
  const isItsTurn = deps.gate.hasWaitedEnough(claim.runId);
  if (!isItsTurn && (await giveUp(deps, claim, lease))) return later(ALONE_DELAY_MS);
  const leave = await deps.gate.enter();
  // Not handed back, somebody has something to say to it, most likely that it shall end: that does not wait for the others.
  const hasSignals = claim.hasSignals || !isItsTurn;
  return await execute(deps, { ...claim, hasSignals }, lease).finally(leave);
}

/** Hands an untouched run back for a while, without forgetting that its owners keep dying. False: it has something unread. */
async function giveUp({ db }: Deps, claim: TracedRun, lease: Lease): Promise<boolean> {
  const { orgId, runId, workflowId, leaseToken, attemptCount } = claim;
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS };
  const record = { ...own, attemptCount, steps: [], release: true };
  const nowMs = claim.nowMs + performance.now() - lease.claimedAt;
  // Its time may be over before.
  const { deadlineAt = 0 } = (claim.state ?? {}) as Partial<RunState>;
  const nextAttemptAt = new Date(
    Math.min(nowMs + ALONE_DELAY_MS, deadlineAt > nowMs ? deadlineAt : Number.POSITIVE_INFINITY),
  );
  lease.letGo();
  const outcome = await persist(lease, () => recordRun(db, { ...record, status: 'running', nextAttemptAt }));
  if (outcome !== 'unread') {
    failPoint('run.given-up-before-delay');
    noteOutcome(claim, 'handed_back');
    return true;
  }
  lease.hold();
  return false;
}

async function execute(deps: Deps, claim: TracedRun, lease: Lease, onProgress = () => {}): Promise<WakeOutcome> {
  const prepared = await persist(lease, () => deps.planner(claim));
  if (!prepared.ok) {
    const message = `This version of the workflow cannot be run: ${prepared.problem}`;
    await failRun(deps, claim, lease, { code: 'WORKFLOW_INVALID', message });
    return DONE;
  }
  const run = openExecution(deps, claim, prepared, lease, onProgress);
  const { concurrency } = prepared.plan;
  try {
    if (concurrency !== null && !(await enter(run, concurrency))) return DONE;
    await afterwards(run, await drive(run));
  } catch (error) {
    if (!(error instanceof LeaseLostError)) await failUnexpectedly(run, error);
    else if (await hasEndedHere(run)) await afterwards(run, 'ended');
    else throw error;
  } finally {
    if (concurrency !== null && hasEnded(run.state)) failPoint('run.ended-before-place-given');
    if (concurrency !== null) await leave(deps, claim.orgId, claim.runId);
  }
  return DONE;
}

async function afterwards(run: Execution, parting: Parting): Promise<void> {
  const { deps, claim } = run;
  if (parting === 'ended') {
    failPoint('run.ended-before-job-removed');
    logEnded(deps.log, claim, {
      nowMs: run.clock(),
      attemptCount: run.attemptCount,
      error: run.endError,
      isCancelled: run.state.status === 'cancelled',
    });
    return;
  }
  noteOutcome(claim, parting === 'paused' ? 'paused' : 'handed_back');
  if (parting === 'handedBack') {
    failPoint('run.handed-back-before-wake');
    return await wakeAgain(run, 0);
  }
  failPoint('run.paused-before-wake');
  logPaused(run);
  const dueAt = nextDueAt(run.state);
  // What is far away, or comes from outside, costs no memory of Redis: the sweeper finds it by its row.
  if (dueAt !== null && dueAt - run.clock() < FAR_MS) await wakeAgain(run, Math.max(0, dueAt - run.clock()));
}

/** Without Redis the sweeper finds the run by its row. */
async function wakeAgain({ deps, claim }: Execution, delayMs: number): Promise<void> {
  const { orgId, runId, traceparent } = claim;
  await deps.queue.wakeRun({ orgId, runId, traceparent }, { delayMs }).catch((error: unknown) => {
    dependencyFailed(deps.log, { dependency: 'redis', error: messageOf(error) });
  });
}

/**
 * A fault of this program or of the stored state ends the run at once: it would most likely meet every other worker
 * too, and a person can start it again. Faults that kill the process are counted by their lost leases instead.
 */
async function failUnexpectedly({ deps, claim, lease }: Execution, error: unknown): Promise<void> {
  jobRejected(deps.log, { jobName: 'run.execute', error: messageOf(error) });
  const message = 'The run stopped because of an error inside the platform. The log of the worker names it.';
  await failRun(deps, claim, lease, { code: 'INTERNAL', message });
}

function later(delayMs: number): WakeOutcome {
  return { status: 'later', delayMs };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 500) : 'unknown';
}
