import { recordRun, type StepRecord } from '@millrace/db/run-ownership';
import { loadOpenSteps } from '@millrace/db/runs';
import { newId } from '@millrace/shared/ids';
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
  const open = await persist(lease, () => loadOpenSteps(deps.db, orgId, runId));
  const steps = open.map(({ stepKey, type, attempt }): StepRecord => ({ stepKey, type, attempt, status: 'cancelled' }));
  const entries = [{ type: 'run.failed', error }];
  const own = { recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS };
  const record = { ...own, attemptCount, steps, entries, error };
  lease.letGo();
  await persist(lease, async () => {
    const outcome = await recordRun(deps.db, { ...record, status: 'failed', nextAttemptAt: null, release: true });
    if (outcome === 'fenced') throw new LeaseLostError('another owner has taken over');
  });
  const nowMs = claim.nowMs + performance.now() - lease.claimedAt;
  logEnded(deps.log, claim, { nowMs, attemptCount, error, isCancelled: false });
}
