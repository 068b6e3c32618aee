import type { Database } from '@millrace/db/connect';
import {
  forgetFailureNotices,
  type NoticeKey,
  postponeFailureNotice,
  prepareFailureNotice,
  settleFailureNotice,
} from '@millrace/db/failure-notices';
import { failureNoticeSettings, type SendingNotice } from '@millrace/db/schema/failure-notices';
import { memberships } from '@millrace/db/schema/memberships';
import { organizations } from '@millrace/db/schema/organizations';
import { users } from '@millrace/db/schema/users';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { newId } from '@millrace/shared/ids';
import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import type { NoticeSettings } from './deliver.ts';

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
  const { settings, names } = await withOrg(db, key.orgId, async (tx) => ({
    settings: await readSettings(tx),
    names: await readNames(tx, key.workflowId),
  }));
  if (settings === undefined || !isSomebodyTold(settings)) {
    await forgetFailureNotices(db, key, settings?.updatedAt ?? null);
    return null;
  }
  const prepared = names && (await prepareFailureNotice(db, key, newId()));
  return prepared ? { ...key, ...names, ...prepared, settings } : null;
}

/** Takes what the notice told off the count; also when it is given up. */
export async function settleNotice(db: Database, notice: DueNotice): Promise<void> {
  await settleFailureNotice(db, notice, notice.sending.id, PAUSE_SEC);
}

/** Keeps the notice for another try, to those who do not have it yet. */
export async function postponeNotice(
  db: Database,
  notice: DueNotice,
  told: string[],
  retryInSec: number,
): Promise<void> {
  await postponeFailureNotice(db, notice, notice.sending.id, { told, retryInSec });
}

/** What is chosen, with those addresses alone that may be told now: see `findVerifiedMembers`. */
export async function readSettings(tx: OrgTx): Promise<NoticeSettings | undefined> {
  const [row] = await tx.select().from(failureNoticeSettings).where(eq(failureNoticeSettings.orgId, tx.orgId));
  if (row?.channel !== 'email') return row;
  const verified = await findVerifiedMembers(tx, row.emails);
  return { ...row, emails: row.emails.filter((email) => verified.has(email)) };
}

export function isSomebodyTold(settings: NoticeSettings): boolean {
  return settings.channel === 'email' ? settings.emails.length > 0 : settings.channel === 'webhook';
}

/**
 * Which of these addresses are confirmed ones of members. Mails go to no others: anybody may make an organization and type
 * any address, and whoever has left must not hear of it any more.
 */
export async function findVerifiedMembers(tx: OrgTx, emails: readonly string[]): Promise<Set<string>> {
  const address = sql<string>`lower(${users.email})`;
  const found = await tx
    .select({ address })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(
      and(
        eq(memberships.orgId, tx.orgId),
        inArray(address, [...emails]),
        isNotNull(users.emailVerifiedAt),
        isNull(users.disabledAt),
      ),
    );
  return new Set(found.map((row) => row.address));
}

async function readNames(tx: OrgTx, workflowId: string) {
  const [names] = await tx
    .select({
      organization: { id: organizations.id, name: organizations.name, slug: organizations.slug },
      workflowName: workflows.name,
    })
    .from(workflows)
    .innerJoin(organizations, eq(organizations.id, workflows.orgId))
    .where(and(eq(workflows.orgId, tx.orgId), eq(workflows.id, workflowId)));
  return names;
}
