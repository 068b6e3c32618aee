import { copySteps, insertQueuedRun, type Run as RunRow } from '@millrace/db/runs';
import type { OrgTx } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { keptSteps, retryState } from '@millrace/workflow/retry-state';
import type { RunState } from '@millrace/workflow/state';
import type { OrgContext } from '../../context.ts';
import { assertInput } from './input.ts';
import { maxAttemptsOf, readPlan } from './max-attempts.ts';
import { findRun } from './queries.ts';
import { acceptRun, findVersion } from './service.ts';

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
  return acceptRun(context, workflowId, async (tx) => {
    const ended = await findRetriable(tx, workflowId, runId);
    const latest = await findVersion(tx, workflowId);
    return isLatest ? startOver(context, tx, ended, latest) : goOn(context, tx, ended);
  });
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

async function startOver(context: OrgContext, tx: OrgTx, ended: RunRow, version: number): Promise<RunRow> {
  await assertInput(tx, ended.workflowId, version, ended.input);
  return insertRetry(context, tx, ended, { version });
}

async function goOn(context: OrgContext, tx: OrgTx, ended: RunRow): Promise<RunRow> {
  const { workflowId, version } = ended;
  // What a worker wrote; null for a run that was cancelled before any began it.
  const endState = ended.state as RunState | null;
  if (endState === null) return insertRetry(context, tx, ended, { version });
  const state = retryState(await readPlan(tx, workflowId, version, context.deps.config), endState);
  const run = await insertRetry(context, tx, ended, { version, state });
  await copySteps(tx, { fromRunId: ended.id, toRunId: run.id, stepIds: keptSteps(state) });
  return run;
}

async function insertRetry(
  context: OrgContext,
  tx: OrgTx,
  { id, workflowId, triggerType, input }: RunRow,
  { version, state }: { version: number; state?: RunState },
): Promise<RunRow> {
  return insertQueuedRun(tx, {
    ...{ id: newId(), workflowId, version, triggerType, input, state },
    maxAttempts: await maxAttemptsOf(tx, workflowId, version, context.deps.config),
    requestedByUserId: context.userId,
    retryOfRunId: id,
  });
}
