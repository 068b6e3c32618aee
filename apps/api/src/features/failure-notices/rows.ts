import type { Database } from '@millrace/db/connect';
import { failureNoticeSettings, failureNotices, type SendingNotice } from '@millrace/db/schema/failure-notices';
import { organizations } from '@millrace/db/schema/organizations';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { and, eq, gt, sql } from 'drizzle-orm';
import type { NoticeSettings } from './deliver.ts';

/** A workflow whose failures are due to be told. */
export interface NoticeKey {
  orgId: string;
  workflowId: string;
}

export interface DueNotice extends NoticeKey {
  sending: SendingNotice;
  /** The one that begins now included. */
  attempts: number;
  settings: NoticeSettings;
  organization: { id: string; name: string; slug: string };
  workflowName: string;
}

/** After a notice the next one about the same workflow waits this long and tells of all failures in between. */
const PAUSE_SEC = 300;

/**
 * Fixes what the notice says, unless an earlier try has, and reads what is needed to send it. Null when there is nothing
 * to tell any more or nobody to tell it to; failures that nobody wants to hear of are then forgotten.
 */
export async function prepareNotice(db: Database, key: NoticeKey): Promise<DueNotice | null> {
  return withOrg(db, key.orgId, async (tx) => {
    const settings = await readSettings(tx);
    if (settings === undefined || settings.channel === 'none') {
      await tx.delete(failureNotices).where(isNotice(tx, key));
      return null;
    }
    const sending = sql`coalesce(${failureNotices.sending}, jsonb_build_object('id', ${newId()}::text,
      'count', ${failureNotices.failedCount}, 'runId', ${failureNotices.lastRunId}, 'error', ${failureNotices.lastError},
      'at', now(), 'told', '[]'::jsonb))`;
    const [row] = await tx
      .update(failureNotices)
      .set({ sending })
      .where(and(isNotice(tx, key), gt(failureNotices.failedCount, 0)))
      .returning({ sending: failureNotices.sending, attempts: failureNotices.attempts });
    const [names] = await tx
      .select({
        organization: { id: organizations.id, name: organizations.name, slug: organizations.slug },
        workflowName: workflows.name,
      })
      .from(workflows)
      .innerJoin(organizations, eq(organizations.id, workflows.orgId))
      .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, key.workflowId)));
    if (!row?.sending || !names) return null;
    return { ...key, ...names, settings, sending: row.sending, attempts: row.attempts };
  });
}

/**
 * Takes what the notice told off the count; also when it is given up. Does nothing when another sender has done so: one
 * that was slower than its lease finds a notice that is not its own any more.
 */
export async function settleNotice(db: Database, { orgId, workflowId, sending }: DueNotice): Promise<void> {
  await withOrg(db, orgId, (tx) =>
    tx
      .update(failureNotices)
      .set({
        failedCount: sql`${failureNotices.failedCount} - ${sending.count}`,
        sending: null,
        attempts: 0,
        nextAttemptAt: sql`now() + make_interval(secs => ${PAUSE_SEC})`,
      })
      .where(isSending(tx, { orgId, workflowId }, sending.id)),
  );
}

/** Keeps the notice for another try, to those who do not have it yet. */
export async function postponeNotice(
  db: Database,
  { orgId, workflowId, sending }: DueNotice,
  told: string[],
  retryInSec: number,
): Promise<void> {
  await withOrg(db, orgId, (tx) =>
    tx
      .update(failureNotices)
      .set({ sending: { ...sending, told }, nextAttemptAt: sql`now() + make_interval(secs => ${retryInSec})` })
      .where(isSending(tx, { orgId, workflowId }, sending.id)),
  );
}

export async function readSettings(tx: OrgTx): Promise<NoticeSettings | undefined> {
  const [row] = await tx.select().from(failureNoticeSettings).where(eq(failureNoticeSettings.orgId, tx.orgId));
  return row;
}

function isNotice(tx: OrgTx, { workflowId }: NoticeKey) {
  return and(eq(failureNotices.orgId, tx.orgId), eq(failureNotices.workflowId, workflowId));
}

function isSending(tx: OrgTx, key: NoticeKey, id: string) {
  return and(isNotice(tx, key), eq(sql`${failureNotices.sending} ->> 'id'`, id));
}
