import { signalRun } from '@millrace/db/run-signals';
import { readRunValue } from '@millrace/db/run-values';
import { workflowRunSteps } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { failPoint } from '@millrace/shared/fail-points';
import { isAtLeast, RoleKey } from '@millrace/shared/permissions';
import { and, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { OrgContext } from '../../context.ts';
import { findRun, lockRun } from './queries.ts';
import { toRun } from './rows.ts';
import { wakeForSignal } from './wake.ts';

/** Who may decide stands in the published document, and with it in the step's input. */
const ApprovalInput = z.object({ by: z.union([RoleKey, z.object({ userIds: z.array(z.string()) })]) });

interface StepPath {
  workflowId: string;
  runId: string;
  stepId: string;
}

interface Decision {
  decision: 'approved' | 'rejected' | 'retry' | 'skip' | 'fail';
  value?: unknown;
  note?: string | undefined;
}

/**
 * Stores a decision for the run (R3); a worker acts on it at once, or when Redis is back. The first one counts, also while no
 * worker has heard it. 403 for somebody whom the approval does not ask, 409 when the step does not wait for this, or no longer.
 */
export async function decideStep(
  context: OrgContext,
  { workflowId, runId, stepId }: StepPath,
  { decision, value, note }: Decision,
) {
  const { deps, orgId, userId, traceparent } = context;
  const run = await withOrg(deps.db, orgId, async (tx) => {
    const stored = await findRun(tx, workflowId, runId);
    // Two who decide at the same moment, and the worker that acts on it, meet here.
    await lockRun(tx, runId);
    await assertMayDecide(context, tx, { workflowId, runId, stepId, decision });
    if (await isDecided(tx, runId, stepId)) throw notWaiting();
    const payload = { decision, value: value ?? null, note: note ?? null, by: userId };
    if (!(await signalRun(tx, runId, { type: 'decide', stepKey: stepId, payload }))) throw notWaiting();
    return stored;
  });
  failPoint('run.decided-before-wake');
  await wakeForSignal(deps, { orgId, runId, traceparent });
  return { run: toRun(run) };
}

async function assertMayDecide(
  { roleKey, userId }: OrgContext,
  tx: OrgTx,
  { workflowId, runId, stepId, decision }: StepPath & Pick<Decision, 'decision'>,
): Promise<void> {
  const [step] = await tx
    .select({ type: workflowRunSteps.type, status: workflowRunSteps.status })
    .from(workflowRunSteps)
    .where(
      and(
        eq(workflowRunSteps.orgId, tx.orgId),
        eq(workflowRunSteps.runId, runId),
        eq(workflowRunSteps.stepKey, stepId),
      ),
    );
  if (!step) throw new AppError('NOT_FOUND');
  const isAnswer = decision === 'approved' || decision === 'rejected';
  if (step.status !== 'waiting' || (step.type === 'approval') !== isAnswer) throw notWaiting();
  if (!isAnswer) {
    if (!isAtLeast(roleKey, 'admin'))
      throw new AppError('FORBIDDEN', 'Only an admin decides about an unknown outcome.');
    return;
  }
  // With a long note it is a large value.
  const input = await readRunValue(tx, { workflowId, runId, stepKey: stepId, field: 'input' });
  const { by } = ApprovalInput.parse(JSON.parse(input ?? 'null'));
  const isAsked = typeof by === 'string' ? isAtLeast(roleKey, by) : by.userIds.includes(userId);
  if (!isAsked) throw new AppError('FORBIDDEN', 'This approval asks somebody else.');
}

/** Whether somebody has decided and was not heard yet: a signal that was heard is gone. */
async function isDecided(tx: OrgTx, runId: string, stepId: string): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`SELECT FROM app.workflow_run_signals
      WHERE org_id = ${tx.orgId} AND run_id = ${runId} AND type = 'decide' AND step_key = ${stepId}`,
  );
  return rows.length > 0;
}

function notWaiting(): AppError {
  return new AppError('CONFLICT', 'This step does not wait for such a decision, or no longer.');
}
