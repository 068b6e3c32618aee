import { type RunRecord, recordRun, type StepRecord } from '@millrace/db/run-ownership';
import { failPoint } from '@millrace/shared/fail-points';
import { countAttempts, runStatus } from '@millrace/workflow/run-status';
import { hasEnded, type RunState } from '@millrace/workflow/state';
import { startWaiting } from './attempts.ts';
import { type Execution, noChanges } from './execution.ts';
import { LEASE_MS, LeaseLostError } from './lease.ts';
import { assertHeld, persist } from './persist.ts';

const KEPT_OUTPUT_CHARACTERS = 64 * 1024;

/**
 * Records everything noted since the last record in one call (R1), and only then lets it act: aborts and starts. Gives
 * the run up when it has ended or only waits for retries. Throws a LeaseLostError when the run is no longer ours.
 */
export async function commit(run: Execution): Promise<void> {
  const { changes, state } = run;
  if (!changes.isDirty) return;
  run.changes = noChanges();
  run.endError = changes.error ?? null;
  await write(run, {
    ...statusOf(state),
    steps: [...changes.steps.values()],
    output: changes.output,
    error: changes.error,
    entries: changes.entries,
    signals: changes.signals,
  });
  if ([...changes.steps.values()].some(({ status }) => status !== 'running')) run.onProgress();
  for (const step of changes.steps.values()) forgetStored(run, step);
  for (const stepKey of changes.aborts) dropAttempt(run, stepKey);
  run.waiting.push(...changes.starts);
  startWaiting(run);
}

/**
 * Gives the run up although it could go on: whoever comes next may claim it at once. It stays with this process while it
 * has something unread, see `isGivenUp`.
 */
export async function handBack(run: Execution): Promise<void> {
  for (const stepKey of [...run.attempts.keys()]) dropAttempt(run, stepKey);
  await write(run, { ...statusOf(run.state), steps: [], release: true });
}

/** What is stored can be read again: a run must not hold every large answer it ever got until it ends. */
function forgetStored(run: Execution, { stepKey, status, output }: StepRecord): void {
  if (status === 'running' || status === 'waiting') return;
  run.inputs.delete(stepKey);
  if (status === 'succeeded' && JSON.stringify(output ?? null).length > KEPT_OUTPUT_CHARACTERS)
    run.outputs.delete(stepKey);
}

function dropAttempt(run: Execution, stepKey: string): void {
  run.attempts.get(stepKey)?.controller.abort();
  run.attempts.delete(stepKey);
  const index = run.waiting.findIndex((planned) => planned.stepKey === stepKey);
  if (index >= 0) run.waiting.splice(index, 1);
}

type Write = Omit<RunRecord, 'orgId' | 'runId' | 'workflowId' | 'leaseToken' | 'leaseMs' | 'state' | 'attemptCount'>;

function statusOf(state: RunState): Pick<RunRecord, 'status' | 'nextAttemptAt' | 'release'> {
  const { status, nextAttemptAt } = runStatus(state);
  return {
    status,
    nextAttemptAt: nextAttemptAt === null ? null : new Date(nextAttemptAt),
    release: status !== 'running' || hasEnded(state),
  };
}

async function write(run: Execution, change: Write): Promise<void> {
  const { deps, claim, lease, state } = run;
  const { orgId, runId, workflowId, leaseToken } = claim;
  // The engine forgets the steps of iterations that have ended.
  run.attemptCount = Math.max(run.attemptCount, countAttempts(state));
  const record: RunRecord = {
    ...{ orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS, state, attemptCount: run.attemptCount },
    ...change,
  };
  failPoint(hasEnded(state) ? 'run.before-last-record' : 'run.before-record');
  if (record.release) lease.letGo();
  const hasUnread = await persist(lease, async (mayHaveHappened) => {
    const sentAt = performance.now();
    const outcome = await recordRun(deps.db, record);
    // The cut-off call before this one gave the run up: nobody else can have had it while the lease lasted.
    const isOwnEcho = mayHaveHappened && record.release && lease.remainingMs() > 0;
    if (outcome === 'fenced' && !isOwnEcho) {
      lease.lose();
      throw new LeaseLostError('another owner has taken over');
    }
    lease.renewed(sentAt);
    return outcome === 'unread';
  });
  failPoint('run.after-record');
  run.isGivenUp = record.release && !hasUnread;
  if (run.isGivenUp) return;
  lease.hold();
  assertHeld(lease);
  if (!hasUnread) return;
  run.isSpokenTo = true;
  run.inbox.push({ type: 'signals' });
}
