import { queueIsFull } from '@millrace/db/admission';
import { forgetPendingAnswer } from '@millrace/db/idempotency';
import { acceptRun } from '@millrace/db/run-accepts';
import { discardQueuedRun } from '@millrace/db/runs';
import { workflowRuns } from '@millrace/db/schema/runs';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { Run } from '@millrace/shared/contracts/runs';
import { AppError } from '@millrace/shared/errors';
import { queueUnavailable, workflowRunEnqueued } from '@millrace/shared/events';
import { failPoint } from '@millrace/shared/fail-points';
import { newId } from '@millrace/shared/ids';
import { messageOf } from '@millrace/shared/message-of';
import { and, eq } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { AnswerTaken } from '../../http/idempotency.ts';
import { patiently, sayUnknown, storeSurely } from './certainty.ts';
import { lastVersionOf, type PreparedVersion, prepareVersion, rememberLatest } from './prepared-version.ts';
import type { StoredRun } from './rows.ts';

/** Accepts a run of the published version, by the rules of `announceRun`. */
export async function startRun(context: OrgContext, workflowId: string, input: unknown) {
  const runId = newId();
  const store = () => storeRun(context, { workflowId, runId, input: input ?? null });
  return announceRun(context, await storeSurely(context, { workflowId, runId }, store));
}

/**
 * Accepts a run that was just stored (R7): its row is committed before a worker is woken, outside any transaction, so that
 * a hanging queue never holds a database connection. When nobody could be woken the row is taken back and the caller hears
 * 503, unless a worker was faster, which makes it an accepted run after all. A crash in between leaves a queued row that the
 * sweeper finds. Nobody is woken for a run that is held: it is admitted when its turn comes, by somebody who wakes a worker then; without
 * a queue it is refused like any other.
 */
export async function announceRun(context: OrgContext, { run, isHeld }: StoredRun): Promise<{ run: Run }> {
  const { deps, orgId, userId, requestId, log, traceparent } = context;
  const { id: runId, workflowId } = run;
  failPoint('run.accepted-before-wake');
  try {
    await (isHeld ? deps.queue.assertReady() : deps.queue.wakeRun({ orgId, runId, traceparent }));
  } catch (error) {
    tellQueueUnavailable(context, { workflowId, runId }, error);
    failPoint('run.not-woken-before-take-back');
    if (await patiently(() => takeBack(context, runId)).catch(sayUnknown)) throw error;
  }
  failPoint('run.woken-before-answer');
  workflowRunEnqueued(log, { requestId, userId, orgId, workflowId, runId });
  return { run };
}

/** Every answer QUEUE_UNAVAILABLE has this line. */
export function tellQueueUnavailable(
  { log, requestId, userId, orgId }: OrgContext,
  about: { workflowId: string | null; runId: string | null },
  error: unknown,
): void {
  const reason = messageOf(error);
  queueUnavailable(log, { requestId, userId, orgId, ...about, error: reason });
}

/** Of the version that is published now: when it is not the one seen last, the first try only tells which it is. */
async function storeRun(
  context: OrgContext,
  { workflowId, runId, input }: { workflowId: string; runId: string; input: unknown },
): Promise<StoredRun> {
  const { deps, orgId, userId, idempotency: answer } = context;
  let prepared = lastVersionOf(orgId, workflowId, deps.config) ?? UNKNOWN_VERSION;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const problems = prepared.check?.(input) ?? [];
    const { version, maxAttempts } = prepared;
    // An input that does not fit the version seen last may fit a newer one: only the database knows whether there is one.
    const asked = problems.length > 0 ? 0 : version;
    const newRun = { orgId, workflowId, runId, version: asked, maxAttempts, input, userId };
    failPoint('run.before-accept');
    const answered = await acceptRun(deps.db, { ...newRun, ...(answer && { answer }) });
    if (answered.outcome === 'accepted') return answered;
    if (answered.outcome !== 'version') throw refusal(answered.outcome);
    if (problems.length > 0 && answered.version === version) {
      throw new AppError('BAD_REQUEST', undefined, { details: problems });
    }
    const latest = answered.version;
    prepared = await withOrg(deps.db, orgId, (tx) => prepareVersion(tx, workflowId, latest, deps.config));
    rememberLatest(orgId, workflowId, latest);
  }
  throw new AppError('CONFLICT', 'The workflow is being published again and again; try again.');
}

const UNKNOWN_VERSION: PreparedVersion = { version: 0, maxAttempts: 1, check: null };
const MAX_TRIES = 5;

/** What is said of a workflow that cannot be run. */
export function refusal(outcome: 'gone' | 'unpublished' | 'disabled' | 'taken' | 'full'): Error {
  switch (outcome) {
    case 'gone':
      return new AppError('NOT_FOUND');
    case 'unpublished':
      return new AppError('CONFLICT', 'Publish the workflow before running it.');
    case 'disabled':
      return new AppError('CONFLICT', 'This workflow is disabled; enable it before running it.');
    case 'taken':
      return new AnswerTaken();
    case 'full':
      return queueIsFull();
    default:
      return outcome satisfies never;
  }
}

/** Rolls a take-back back: a worker has the run, or its answer was already replayed to somebody. */
class AlreadyAccepted extends Error {}

/** Removes the fresh run together with the idempotency key that points to it. False: the run is accepted after all. */
async function takeBack(context: OrgContext, runId: string): Promise<boolean> {
  const { deps, orgId, idempotency } = context;
  try {
    await withOrg(deps.db, orgId, async (tx) => {
      if (await discardQueuedRun(tx, runId)) {
        if (idempotency && !(await forgetPendingAnswer(tx, idempotency.key))) throw new AlreadyAccepted();
      } else if (await existsRun(tx, runId)) throw new AlreadyAccepted();
    });
    return true;
  } catch (error) {
    if (error instanceof AlreadyAccepted) return false;
    throw error;
  }
}

/** False after a take-back whose answer was lost. */
async function existsRun(tx: OrgTx, runId: string): Promise<boolean> {
  const { orgId, id } = workflowRuns;
  const rows = await tx
    .select({ id })
    .from(workflowRuns)
    .where(and(eq(orgId, tx.orgId), eq(id, runId)));
  return rows.length > 0;
}
