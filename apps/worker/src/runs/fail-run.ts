import { recordRun, type StepRecord } from '@millrace/db/run-ownership';
import { loadSteps } from '@millrace/db/runs';
import type { RunError } from '@millrace/workflow/events';
import type { Deps } from '../deps.ts';
import { LEASE_MS, type Lease, LeaseLostError } from './lease.ts';
import { persist } from './persist.ts';
import { logEnded } from './run-events.ts';
import type { TracedRun } from './traced-run.ts';

/**
 * Ends a run that the engine cannot end: its document, its state or this program is at fault. Steps that had not ended
 * are cancelled; nothing of the stored state is trusted. Throws a LeaseLostError when the run is no longer ours.
 */
export async function failRun(deps: Deps, claim: TracedRun, lease: Lease, error: RunError): Promise<void> {
  const { orgId, runId, workflowId, leaseToken, attemptCount } = claim;
  const open = (await persist(lease, () => loadSteps(deps.db, orgId, runId))).filter(({ finishedAt }) => !finishedAt);
  const steps = open.map(({ stepKey, type, attempt }): StepRecord => ({ stepKey, type, attempt, status: 'cancelled' }));
  const entries = [{ type: 'run.failed', error }];
  const record = { orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS, attemptCount, steps, entries, error };
  lease.letGo();
  await persist(lease, async (mayHaveHappened) => {
    const outcome = await recordRun(deps.db, { ...record, status: 'failed', nextAttemptAt: null, release: true });
    if (outcome === 'fenced' && !mayHaveHappened) throw new LeaseLostError('another owner has taken over');
  });
  const nowMs = claim.nowMs + performance.now() - lease.claimedAt;
  logEnded(deps.log, claim, { nowMs, attemptCount, error, isCancelled: false });
}
