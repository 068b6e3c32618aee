import { hideCredentials, isHidden } from '@millrace/connectors/hidden-input';
import { type CollectedAttempt, collectAttempts, forgetAttempts } from '@millrace/db/run-attempts';
import { dependencyFailed } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { messageOf } from '@millrace/shared/message-of';
import { locate } from '@millrace/workflow/locate';
import type { Execution, PlannedAttempt } from './execution.ts';

/**
 * Attempts that the owner of a run offers to all workers, its own among them. State stays with the owner: it asks the database
 * what became of them, when it is rung and twice a second, and feeds what it hears into its inbox.
 */

/** Attempts of one run in flight at once in the process of its owner; the others of a wide fan-out wait, or are offered. */
export const MAX_IN_FLIGHT = 20;
/** Of one run at a time. */
const MOST_OFFERED = 50;
/** An offer that nobody took for so long is lost, or nobody has time: the owner takes it back. */
const UNTAKEN_MS = 3_000;
const COLLECT_MS = 500;
/** Their values are in memory until they are recorded. */
const MOST_ENDED = 20;
/** Of those that wait so many are looked at for some that may be offered. */
const MOST_LOOKED_AT = 200;

interface Offer {
  planned: PlannedAttempt;
  /** performance.now() */
  offeredAt: number;
  isTaken: boolean;
}

export interface Offers {
  /** By step key. */
  readonly open: Map<string, Offer>;
  /** What came of them is recorded: their rows can go. */
  readonly done: { stepKey: string; attempt: number }[];
  /** Redis was away: until then (performance.now()) nothing is offered. */
  notBefore: number;
  /** True once anything was offered in this claim. */
  isUsed: boolean;
  /** Until what was collected is handled; one at a time. */
  isCollecting: boolean;
  /** Collect again after that. */
  isRung: boolean;
  /** Somebody executes what is not wanted any more. */
  hasRevoked: boolean;
  isClosed: boolean;
  timer: NodeJS.Timeout | undefined;
}

export function noOffers(): Offers {
  return {
    ...{ open: new Map(), done: [], notBefore: 0, timer: undefined },
    ...{ isUsed: false, isCollecting: false, isRung: false, hasRevoked: false, isClosed: false },
  };
}

/** Attempts of the run that are under way in this process as its owner's. */
export function countHere({ attempts, offers }: Execution): number {
  return attempts.size - offers.open.size;
}

export function mayOffer({ offers }: Execution): boolean {
  return performance.now() >= offers.notBefore;
}

/** Offers what waits, as far as others can execute it, and marks what stays. What is offered counts as under way. */
export function offerWaiting(run: Execution): void {
  const { offers, waiting } = run;
  if (!mayOffer(run)) return;
  const offered: PlannedAttempt[] = [];
  for (let index = 0, looks = 0; index < waiting.length && looks < MOST_LOOKED_AT; looks += 1) {
    const planned = waiting[index];
    if (planned === undefined || offers.open.size >= MOST_OFFERED) break;
    planned.staysHere ??= !mayTravel(run, planned);
    if (planned.staysHere) index += 1;
    else for (const one of waiting.splice(index, 1)) offered.push(open(run, one));
  }
  if (offered.length > 0) send(run, offered);
}

/** A credential is in no row, so only the owner has it (R6). A step that starts a run has the owner's lease to do so. */
function mayTravel(run: Execution, { stepKey, input }: PlannedAttempt): boolean {
  const kind = locate(run.plan, stepKey)?.node.kind;
  return kind !== undefined && !kind.actsFirst && !isHidden(hideCredentials(kind.type, input));
}

function open(run: Execution, planned: PlannedAttempt): PlannedAttempt {
  const { stepKey, attempt } = planned;
  const controller = new AbortController();
  controller.signal.addEventListener('abort', () => revoke(run, planned), { once: true });
  run.attempts.set(stepKey, { attempt, controller });
  run.offers.open.set(stepKey, { planned, offeredAt: performance.now(), isTaken: false });
  return planned;
}

function revoke(run: Execution, { stepKey, attempt }: PlannedAttempt): void {
  const { offers } = run;
  if (offers.open.get(stepKey)?.planned.attempt !== attempt) return;
  offers.open.delete(stepKey);
  offers.done.push({ stepKey, attempt });
  offers.hasRevoked = true;
  collect(run);
}

function send(run: Execution, offered: PlannedAttempt[]): void {
  const { offers, deps, claim } = run;
  const { orgId, runId, leaseToken, traceparent } = claim;
  if (!offers.isUsed) {
    offers.isUsed = true;
    offers.timer = setInterval(() => {
      if (offers.open.size > 0) collect(run);
    }, COLLECT_MS);
    deps.outcomeBells.set(runId, () => collect(run));
  }
  const jobs = offered.map(({ stepKey, attempt }) => ({ orgId, runId, stepKey, attempt, leaseToken, traceparent }));
  const isOffered = deps.queue.offerAttempts(jobs).then(() => failPoint('attempt.offered'));
  isOffered.catch((error: unknown) => {
    const reason = messageOf(error);
    dependencyFailed(deps.log, { dependency: 'redis', error: reason });
    // Some may have been stored all the same: they are taken back by the same rows by which others would take them.
    offers.notBefore = performance.now() + UNTAKEN_MS;
    for (const { stepKey, attempt } of offered) {
      const offer = offers.open.get(stepKey);
      if (offer?.planned.attempt === attempt) offer.offeredAt = Number.NEGATIVE_INFINITY;
    }
    collect(run);
  });
}

/** Asks what became of the offers. What fails here is asked again by the timer. */
export function collect(run: Execution): void {
  const { offers } = run;
  if (offers.isClosed) return;
  if (offers.isCollecting) {
    offers.isRung = true;
    return;
  }
  offers.isCollecting = true;
  offers.isRung = false;
  ask(run).then(
    (collected) => run.inbox.push({ type: 'collected', collected }),
    () => {
      offers.isCollecting = false;
    },
  );
}

async function ask(run: Execution): Promise<CollectedAttempt[]> {
  const { offers, deps, claim } = run;
  const done = [...offers.done];
  const { hasRevoked } = offers;
  offers.hasRevoked = false;
  const { orgId, runId, leaseToken } = claim;
  const keys = { done, withdrawn: untaken(run), mostEnded: MOST_ENDED };
  try {
    const collected = await collectAttempts(deps.db, { orgId, runId, leaseToken, ...keys });
    offers.done.splice(0, done.length);
    if (hasRevoked) {
      failPoint('attempt.revoked-before-ring');
      ringExecutors(run);
    }
    return collected;
  } catch (error) {
    offers.hasRevoked ||= hasRevoked;
    throw error;
  }
}

/** Those to be taken back: of old ones as many as can be executed here, of a program that ends all. */
function untaken(run: Execution): { stepKey: string; attempt: number }[] {
  const free = [...run.offers.open.values()].filter(({ isTaken }) => !isTaken);
  const isEnding = run.deps.shutdown.draining.aborted;
  const due = isEnding ? free : free.filter(({ offeredAt }) => offeredAt < performance.now() - UNTAKEN_MS);
  const room = isEnding ? MOST_OFFERED : Math.max(MAX_IN_FLIGHT - countHere(run), 0);
  return due.slice(0, room).map(({ planned: { stepKey, attempt } }) => ({ stepKey, attempt }));
}

/** All that was collected is handled: the next may come. */
export function collected(run: Execution, all: readonly CollectedAttempt[]): void {
  const { offers } = run;
  offers.isCollecting = false;
  const endedCount = all.filter(({ status }) => status === 'ended').length;
  if (offers.isRung || endedCount >= MOST_ENDED) collect(run);
}

/** The attempt is the owner's own again, and first in the line. */
export function bringBack(run: Execution, planned: PlannedAttempt): void {
  run.offers.open.delete(planned.stepKey);
  run.attempts.delete(planned.stepKey);
  run.waiting.unshift({ ...planned, staysHere: true });
}

/** This process is done with the run: nobody needs to execute anything for it now. Never throws. */
export function closeOffers(run: Execution): void {
  const { offers, deps, claim } = run;
  offers.isClosed = true;
  clearInterval(offers.timer);
  if (offers.isUsed) deps.outcomeBells.delete(claim.runId);
  // The owner before this one may have died with some.
  else if (claim.lostClaims === 0) return;
  void forgetAttempts(deps.db, claim).then(
    () => {
      failPoint('attempt.forgotten-before-ring');
      ringExecutors(run);
    },
    // Rows of an owner that is gone mean nothing, and go with their run.
    () => {},
  );
}

/** Who misses it hears of it with the next heartbeat. */
function ringExecutors({ deps, claim }: Execution): void {
  void deps.queue.ringExecutors(claim.runId).catch(() => {});
}
