import { copySteps, insertQueuedRun, type Run as RunRow } from '@millrace/db/runs';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { keptSteps, retryState } from '@millrace/workflow/retry-state';
import type { RunState } from '@millrace/workflow/state';
import { inputCheckOf } from '@millrace/workflow/triggers/input-schema';
import { and, eq } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { keepAnswer } from '../../http/idempotency.ts';
import { storeSurely } from './certainty.ts';
import { maxAttemptsOf, readDefinition, readPlan } from './max-attempts.ts';
import { findRun } from './queries.ts';
import { toRun } from './rows.ts';
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
  const id = newId();
  const store = () =>
    withOrg(deps.db, orgId, async (tx) => {
      const ended = await findRetriable(tx, workflowId, runId);
      const latest = await findVersion(tx, workflowId);
      const stored = toRun(
        await (isLatest ? startOver(context, tx, ended, { id, version: latest }) : goOn(context, tx, ended, id)),
      );
      await keepAnswer(context, tx, { run: stored });
      return stored;
    });
  const run = await storeSurely(context, { workflowId, runId: id }, store);
  failPoint('run.retried-before-wake');
  return announceRun(context, run);
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
  const problems = inputCheckOf(await readDefinition(tx, ended.workflowId, version))?.(ended.input) ?? [];
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
  await copySteps(tx, { fromRunId: ended.id, toRunId: run.id, stepIds: keptSteps(state) });
  return run;
}

async function insertRetry(
  context: OrgContext,
  tx: OrgTx,
  { id: retryOfRunId, workflowId, triggerType, input }: RunRow,
  { id, version, state }: { id: string; version: number; state?: RunState },
): Promise<RunRow> {
  return insertQueuedRun(tx, {
    ...{ id, workflowId, version, triggerType, input, state },
    maxAttempts: await maxAttemptsOf(tx, workflowId, version, context.deps.config),
    requestedByUserId: context.userId,
    retryOfRunId,
  });
}
