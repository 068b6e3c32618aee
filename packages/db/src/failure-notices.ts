import type { Database } from './connect.ts';
import type { SendingNotice } from './schema/failure-notices.ts';
import { assertUuid } from './uuid.ts';

/** A workflow whose failures are to be told. */
export interface NoticeKey {
  orgId: string;
  workflowId: string;
}

/**
 * Takes failures that are due to be told: at most one workflow of each organization, and none of the `busyOrgIds`. Each
 * stays its taker's for `leaseSec`; after that anybody may take it again. The caller reads the rows inside `withOrg`.
 */
export async function takeFailureNotices(
  db: Database,
  options: { limit: number; leaseSec: number; busyOrgIds: readonly string[] },
): Promise<NoticeKey[]> {
  const { rows } = await db.pool.query<NoticeKey & Record<string, unknown>>(
    'SELECT org_id AS "orgId", workflow_id AS "workflowId" FROM sys.take_failure_notices($1, $2, $3)',
    [options.limit, options.leaseSec, options.busyOrgIds],
  );
  return rows;
}

/**
 * Fixes what the notice says, under the id `newId` unless an earlier try has; `attempts` counts the one that begins now.
 * Null when there is nothing to tell. This and the steps below are single statements: between them nothing is locked, so
 * that no run that fails waits for a process that was frozen.
 */
export async function prepareFailureNotice(
  db: Database,
  key: NoticeKey,
  newId: string,
): Promise<{ sending: SendingNotice; attempts: number } | null> {
  const { rows } = await db.pool.query<{ notice: { sending: SendingNotice; attempts: number } | null }>(
    'SELECT app.prepare_failure_notice($1, $2, $3) AS notice',
    [...idsOf(key), newId],
  );
  return rows[0]?.notice ?? null;
}

/**
 * Takes what the notice with this id told off the count; the next one about the workflow waits `pauseSec`. Does nothing when
 * another sender has done so: one that was slower than its lease finds a notice that is not its own any more.
 */
export async function settleFailureNotice(db: Database, key: NoticeKey, id: string, pauseSec: number): Promise<void> {
  await db.pool.query('SELECT app.settle_failure_notice($1, $2, $3, $4)', [...idsOf(key), id, pauseSec]);
}

/** Keeps the notice with this id for another try, to all but those in `told`. */
export async function postponeFailureNotice(
  db: Database,
  key: NoticeKey,
  id: string,
  { told, retryInSec }: { told: readonly string[]; retryInSec: number },
): Promise<void> {
  await db.pool.query('SELECT app.postpone_failure_notice($1, $2, $3, $4, $5)', [...idsOf(key), id, told, retryInSec]);
}

/**
 * Forgets failures that were not told yet: of the workflow, or of the whole organization when it is null. Does nothing when
 * the settings were changed since `settingsSeenAt`, their `updatedAt` (null: there were none).
 */
export async function forgetFailureNotices(
  db: Database,
  { orgId, workflowId }: { orgId: string; workflowId: string | null },
  settingsSeenAt: Date | null,
): Promise<void> {
  assertUuid(orgId, 'orgId');
  await db.pool.query('SELECT app.forget_failure_notices($1, $2, $3)', [orgId, workflowId, settingsSeenAt]);
}

function idsOf({ orgId, workflowId }: NoticeKey): [string, string] {
  assertUuid(orgId, 'orgId');
  assertUuid(workflowId, 'workflowId');
  return [orgId, workflowId];
}
