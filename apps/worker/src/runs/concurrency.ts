import { recordRun, type StepRecord } from '@millrace/db/run-ownership';
import { enterConcurrency, leaveConcurrency, type PlaceAnswer } from '@millrace/db/workflow-concurrency';
import { dependencyFailed, workflowRunCancelled } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import type { PlannedConcurrency } from '@millrace/workflow/plan';
import type { Deps } from '../deps.ts';
import { wakeAdmitted } from './admitted.ts';
import { toConcurrencyKey } from './concurrency-key.ts';
import type { Execution } from './execution.ts';
import { failRun } from './fail-run.ts';
import { LEASE_MS, LeaseLostError } from './lease.ts';
import { persist } from './persist.ts';
import { logEnded } from './run-events.ts';
import { evaluateTree } from './step-values.ts';
import { noteOutcome } from './traced-run.ts';

/**
 * Asks for a place for a run whose workflow limits how many are at work, before it begins. False: it is done with here,
 * because it waits for a place, does not want to wait, was cancelled, or its key could not be evaluated, which fails it.
 */
export async function enter(run: Execution, concurrency: PlannedConcurrency): Promise<boolean> {
  if (run.claim.hasPlace) return true;
  const key = await evaluateKey(run, concurrency);
  if (key === null) return false;
  const { deps, claim, lease } = run;
  const { orgId, workflowId, runId, leaseToken } = claim;
  const { limit, whenFull } = concurrency;
  lease.letGo();
  const answer = await persist(lease, () =>
    enterConcurrency(deps.db, { orgId, workflowId, runId, leaseToken, key, limit, whenFull }),
  );
  await tellOthers(deps, run, answer);
  return hasEntered(run, answer, concurrency);
}

/** Lets the next one begin once a run has ended. Never throws: should it fail, or this process die before, the sweeper does it. */
export async function leave(deps: Pick<Deps, 'db' | 'queue' | 'log'>, orgId: string, runId: string): Promise<void> {
  try {
    wakePlaced(deps, orgId, await leaveConcurrency(deps.db, orgId, runId));
  } catch (error) {
    const message = messageOf(error);
    dependencyFailed(deps.log, { dependency: 'postgresql', error: message });
  }
}

async function hasEntered(run: Execution, { outcome }: PlaceAnswer, concurrency: PlannedConcurrency): Promise<boolean> {
  switch (outcome) {
    case 'entered':
      run.lease.hold();
      return true;
    case 'held':
      noteOutcome(run.claim, 'handed_back');
      return false;
    case 'cancelled':
      logEnd(run);
      return false;
    case 'full':
      await skip(run, concurrency);
      return false;
    case 'fenced':
      run.lease.lose();
      throw new LeaseLostError('another owner has taken over');
    default:
      return outcome satisfies never;
  }
}

/** Null: the run has failed, since nobody can say which runs it may not overlap with. */
async function evaluateKey(run: Execution, { key }: PlannedConcurrency): Promise<string | null> {
  if (key === null) return '';
  const path = 'settings.concurrency.key';
  const result = await evaluateTree(run, key, { scope: '', path, seed: `${run.claim.runId}:${path}` });
  if (result.ok) return toConcurrencyKey(result.value);
  const { code, message } = result.error;
  await failRun(run.deps, run.claim, run.lease, { code, message });
  return null;
}

/** Of the runs that this one took the place of, and of those that got one. Without Redis heartbeats and the sweeper tell. */
async function tellOthers(deps: Deps, { claim }: Execution, { woken, told, ended }: PlaceAnswer): Promise<void> {
  const { orgId, workflowId } = claim;
  for (const fields of ended) workflowRunCancelled(deps.log, { orgId, workflowId, ...fields });
  if (told.length > 0) failPoint('place.taken-before-ring');
  await Promise.allSettled(told.map((runId) => deps.queue.ringOwner(runId)));
  wakePlaced(deps, orgId, woken);
}

function wakePlaced(deps: Pick<Deps, 'db' | 'queue' | 'log'>, orgId: string, runIds: readonly string[]): void {
  if (runIds.length === 0) return;
  failPoint('place.given-before-wake');
  void wakeAdmitted(deps, orgId, runIds);
}

async function skip(run: Execution, { limit, key }: PlannedConcurrency): Promise<void> {
  const { deps, claim, lease, plan } = run;
  const { orgId, runId, workflowId, leaseToken, attemptCount } = claim;
  const whose = key === null ? 'of this workflow' : 'of this workflow with the same key';
  const error = { code: 'CONCURRENCY_LIMIT', message: `As many runs ${whose} as may were at work: ${limit}.` };
  const steps = [...plan.nodes.values()].map(
    ({ id, kind }): StepRecord => ({ stepKey: id, type: kind.type, attempt: 0, status: 'cancelled' }),
  );
  const entries = [{ type: 'run.cancelled', error }];
  const base = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS, attemptCount };
  const record = { ...base, steps, entries, error };
  lease.letGo();
  await persist(lease, async () => {
    const outcome = await recordRun(deps.db, { ...record, status: 'cancelled', nextAttemptAt: null, release: true });
    if (outcome === 'fenced') throw new LeaseLostError('another owner has taken over');
  });
  logEnd(run);
}

function logEnd(run: Execution): void {
  const { deps, claim, attemptCount } = run;
  logEnded(deps.log, claim, { nowMs: run.clock(), attemptCount, error: null, isCancelled: true });
}
