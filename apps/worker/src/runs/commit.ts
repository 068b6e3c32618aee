import { type RunRecord, recordRun, type StepRecord } from '@millrace/db/run-ownership';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { isLongerThan, type Json } from '@millrace/workflow/json';
import { countAttempts, runStatus } from '@millrace/workflow/run-status';
import { hasEnded, type RunState } from '@millrace/workflow/state';
import { withholdSteps } from '@millrace/workflow/withheld';
import { startWaiting } from './attempts.ts';
import { type Changes, type Execution, ITERATION, LARGE_CHARACTERS, noChanges } from './execution.ts';
import { tellFamily } from './family.ts';
import { LEASE_MS, LeaseLostError } from './lease.ts';
import { assertHeld, persist } from './persist.ts';
import { logStarted } from './run-events.ts';

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
  if (mayAnswer(run, changes)) tellWhoWaits(run);
  tellFamily(run, changes);
  for (const step of changes.steps.values()) forgetStored(run, step);
  for (const stepKey of changes.aborts) dropAttempt(run, stepKey);
  run.waiting.push(...changes.starts);
  startWaiting(run);
}

/** The first `respond` is the answer; without one the end of the run is. */
function mayAnswer({ isAnswered, state }: Execution, { steps }: Changes): boolean {
  if (!isAnswered) return false;
  return (
    hasEnded(state) || [...steps.values()].some(({ type, status }) => type === 'respond' && status === 'succeeded')
  );
}

/** Nobody waits for this: who misses it looks every second. */
function tellWhoWaits({ deps, claim }: Execution): void {
  failPoint('answer.recorded-before-ring');
  void deps.queue.ringAnswer(claim.runId).catch(() => {});
}

/**
 * Gives the run up although it could go on: whoever comes next may claim it at once. It stays with this process while it
 * has something unread, see `isGivenUp`.
 */
export async function handBack(run: Execution): Promise<void> {
  for (const stepKey of [...run.attempts.keys()]) dropAttempt(run, stepKey);
  const neverBegun = [...run.waiting.map(({ stepKey }) => stepKey), ...run.neverBegun];
  run.state = withholdSteps(run.plan, run.state, neverBegun);
  await write(run, { ...statusOf(run.state), steps: [], release: true });
}

/** Of a loop's 10,000 values each may stay in memory that is shorter. */
const KEPT_OF_ITERATION = 16 * 1024;

/** What is stored can be read again: a run must not hold every large answer it ever got until it ends. */
function forgetStored(run: Execution, { stepKey, type, status, output }: StepRecord): void {
  if (status === 'running' || status === 'waiting') return;
  run.inputs.delete(stepKey);
  // What was recorded is what this program made: JSON.
  const kept = type === ITERATION ? KEPT_OF_ITERATION : LARGE_CHARACTERS;
  if (status === 'succeeded' && isLongerThan(output as Json | undefined, kept)) run.outputs.delete(stepKey);
}

function dropAttempt(run: Execution, stepKey: string): void {
  run.attempts.get(stepKey)?.controller.abort();
  run.attempts.delete(stepKey);
  const index = run.waiting.findIndex((planned) => planned.stepKey === stepKey);
  if (index >= 0) run.waiting.splice(index, 1);
}

type Write = Omit<
  RunRecord,
  'recordId' | 'orgId' | 'runId' | 'workflowId' | 'leaseToken' | 'leaseMs' | 'state' | 'attemptCount'
>;

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
    ...{ recordId: newId(), orgId, runId, workflowId, leaseToken, leaseMs: LEASE_MS },
    ...{ state, attemptCount: run.attemptCount },
    ...change,
  };
  failPoint(hasEnded(state) ? 'run.before-last-record' : 'run.before-record');
  if (record.release) lease.letGo();
  const hasUnread = await persist(lease, async () => {
    const sentAt = performance.now();
    const outcome = await recordRun(deps.db, record);
    if (outcome === 'fenced') {
      lease.lose();
      throw new LeaseLostError('another owner has taken over');
    }
    lease.renewed(sentAt);
    return outcome === 'unread';
  });
  logStarted(deps.log, claim, run.attemptCount);
  failPoint('run.after-record');
  run.isGivenUp = record.release && !hasUnread;
  if (run.isGivenUp) return;
  lease.hold();
  assertHeld(lease);
  if (!hasUnread) return;
  run.isSpokenTo = true;
  run.inbox.push({ type: 'signals' });
}
