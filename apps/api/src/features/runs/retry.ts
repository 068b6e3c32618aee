import { queueIsFull } from '@millrace/db/admission';
import { readQueueState, watchQueue } from '@millrace/db/queue-limits';
import { copySteps, insertQueuedRun, type Run as RunRow } from '@millrace/db/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { keptSteps, retryState } from '@millrace/workflow/retry-state';
import type { RunState } from '@millrace/workflow/state';
import { and, eq } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { keepAnswer } from '../../http/idempotency.ts';
import { storeSurely } from './certainty.ts';
import { prepareVersion, readPlan } from './prepared-version.ts';
import { findRun } from './queries.ts';
import { type StoredRun, toStoredRun } from './rows.ts';
import { announceRun, refusal } from './service.ts';

/**
 * Accepts a new run with the input of one that failed or was cancelled, by the rules of `startRun`. It goes on at what had
 * not finished, on the same version (R5) and with the finished steps and their outputs copied; or, `isLatest`, it starts
 * over on the latest version, whose input schema is asked anew. 409 for a run that has not ended, or ended well.
 */
export async function retryRun(
  context: OrgContext,
  { workflowId, runId }: { workflowId: string; runId: string },
  isLatest: boolean,
) {
  const { deps, orgId } = context;
  await assertQueueRoom(context);
  const newRunId = newId();
  const store = () =>
    withOrg(deps.db, orgId, async (tx) => {
      const stored = await storeRetry(context, tx, { workflowId, runId, newRunId }, isLatest);
      await keepAnswer(context, tx, { run: stored.run });
      return stored;
    });
  const stored = await storeSurely(context, { workflowId, runId: newRunId }, store);
  failPoint('run.retried-before-wake');
  return announceRun(context, stored);
}

/** For limits of queued runs that are too high to be counted where a run is stored. Throws 429. */
export async function assertQueueRoom({ deps, orgId }: OrgContext): Promise<void> {
  const { isFull, isExact } = await readQueueState(deps.db, orgId);
  if (isFull && !isExact) throw queueIsFull();
}

/** Stores the new run. `assertQueueRoom` before, `announceRun` after the commit. */
export async function storeRetry(
  context: OrgContext,
  tx: OrgTx,
  { workflowId, runId, newRunId }: { workflowId: string; runId: string; newRunId: string },
  isLatest: boolean,
): Promise<StoredRun> {
  const ended = await findRetriable(tx, workflowId, runId);
  const latest = await findVersion(tx, workflowId);
  const stored = toStoredRun(
    await (isLatest
      ? startOver(context, tx, ended, { id: newRunId, version: latest })
      : goOn(context, tx, ended, newRunId)),
  );
  if (stored.isHeld) watchQueue(context.deps.db, context.orgId);
  return stored;
}

/** The published version. Throws 404 without such a workflow and 409 while it is not to be run. */
async function findVersion(tx: OrgTx, workflowId: string): Promise<number> {
  const [workflow] = await tx
    .select({ version: workflows.version, isEnabled: workflows.isEnabled })
    .from(workflows)
    .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId)));
  if (!workflow) throw refusal('gone');
  if (!workflow.isEnabled) throw refusal('disabled');
  return workflow.version;
}

async function findRetriable(tx: OrgTx, workflowId: string, runId: string): Promise<RunRow> {
  const run = await findRun(tx, workflowId, runId);
  if (run.status !== 'failed' && run.status !== 'cancelled')
    throw new AppError(
      'CONFLICT',
      `This run is ${run.status}; only a run that failed or was cancelled can be retried.`,
    );
  return run;
}

async function startOver(
  context: OrgContext,
  tx: OrgTx,
  ended: RunRow,
  { id, version }: { id: string; version: number },
): Promise<RunRow> {
  const { check } = await prepareVersion(tx, ended.workflowId, version, context.deps.config);
  const problems = check?.(ended.input) ?? [];
  if (problems.length > 0) throw new AppError('BAD_REQUEST', undefined, { details: problems });
  return insertRetry(context, tx, ended, { id, version });
}

async function goOn(context: OrgContext, tx: OrgTx, ended: RunRow, id: string): Promise<RunRow> {
  const { workflowId, version } = ended;
  // What a worker wrote; null for a run that was cancelled before any began it.
  const endState = ended.state as RunState | null;
  if (endState === null) return insertRetry(context, tx, ended, { id, version });
  const state = retryState(await readPlan(tx, workflowId, version, context.deps.config), endState);
  const run = await insertRetry(context, tx, ended, { id, version, state });
  await copySteps(tx, { fromRunId: ended.id, toRunId: run.id, kept: keptSteps(state) });
  return run;
}

async function insertRetry(
  context: OrgContext,
  tx: OrgTx,
  { id: retryOfRunId, workflowId, triggerType, input }: RunRow,
  { id, version, state }: { id: string; version: number; state?: RunState },
): Promise<RunRow> {
  const { maxAttempts } = await prepareVersion(tx, workflowId, version, context.deps.config);
  const run = {
    ...{ id, workflowId, version, triggerType, input, state, maxAttempts },
    requestedByUserId: context.userId,
    retryOfRunId,
  };
  return insertQueuedRun(tx, run, context.deps.db.admission);
}
