import { apiKeys } from '@millrace/db/schema/api-keys';
import { auditLog } from '@millrace/db/schema/audit-log';
import { hookDeliveries } from '@millrace/db/schema/hooks';
import { organizationInvitations } from '@millrace/db/schema/invitations';
import { memberships } from '@millrace/db/schema/memberships';
import { organizations } from '@millrace/db/schema/organizations';
import { workflowRuns } from '@millrace/db/schema/runs';
import { organizationVariables } from '@millrace/db/schema/variables';
import { workflows } from '@millrace/db/schema/workflows';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { DeletedRows } from '@millrace/shared/contracts/organizations';
import { AppError } from '@millrace/shared/errors';
import { organizationDeleted } from '@millrace/shared/events';
import { hasPermission } from '@millrace/shared/permissions';
import { and, asc, eq, gt, lte } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { OrgContext } from '../../context.ts';
import { findMembership, lockOrganization } from './rows.ts';

/** Rows, runs with their steps, that one statement deletes: a fraction of a second, far below every time limit. */
const ROWS_AT_ONCE = 5_000;
/** Whatever a workflow can make without end. */
type Many = typeof workflowRuns | typeof hookDeliveries;

/**
 * Deletes the organization and everything that belongs to it, its audit log included: the keys of the tenant tables
 * cascade. Runs under way end without a result, since their rows are gone. Answers how much there was of what people
 * know by name; an event keeps that, since the audit log is gone. Throws 400 unless `confirm` is the slug.
 *
 * Less than 5,000 runs go in the transaction of the organization itself, and so many deliveries of webhooks. More are
 * deleted before it, in transactions of their own, so that neither a statement's time limit nor the organization's lock
 * depends on how many there are; a deletion that dies between two of them is finished by asking again.
 */
export async function deleteOrganization(context: OrgContext, confirm: string) {
  const { deps, orgId, userId, requestId, log } = context;
  const runsBefore = await deleteExcess(context, confirm, workflowRuns);
  await deleteExcess(context, confirm, hookDeliveries);
  const deleted = await withOrg(deps.db, orgId, async (tx) => {
    await assertMayDelete(context, tx, confirm);
    const counted = await countRows(tx);
    await tx.delete(organizations).where(eq(organizations.id, tx.orgId));
    return { ...counted, runs: counted.runs + runsBefore };
  });
  organizationDeleted(log, { requestId, orgId, userId, deleted });
  return { ok: true as const, deleted };
}

/** Batch by batch, until what is left is less than one; answers how many it deleted. */
async function deleteExcess(context: OrgContext, confirm: string, table: Many): Promise<number> {
  let after: string | undefined;
  for (let deleted = 0; ; deleted += ROWS_AT_ONCE) {
    after = await withOrg(context.deps.db, context.orgId, async (tx) => {
      await assertMayDelete(context, tx, confirm);
      return deleteBatch(tx, table, after);
    });
    if (after === undefined) return deleted;
  }
}

/**
 * Deletes the next full batch in the order of ids and answers its last id; nothing when no full one is left. Starting
 * behind the batch before spares it the index entries of what is deleted already.
 */
async function deleteBatch(tx: OrgTx, table: Many, after: string | undefined): Promise<string | undefined> {
  const { orgId, id } = table;
  const isAhead = and(eq(orgId, tx.orgId), after === undefined ? undefined : gt(id, after));
  const page = tx.select({ id }).from(table).where(isAhead).orderBy(asc(id));
  const [last] = await page.offset(ROWS_AT_ONCE - 1).limit(1);
  if (last) await tx.delete(table).where(and(isAhead, lte(id, last.id)));
  return last?.id;
}

/** Read under the lock: the caller may have been demoted after the request was let in. */
async function assertMayDelete(context: OrgContext, tx: OrgTx, confirm: string): Promise<void> {
  const { slug } = await lockOrganization(tx);
  const actor = await findMembership(tx, context.userId);
  if (!actor) throw new AppError('ORG_ACCESS_DENIED');
  if (!hasPermission(actor.roleKey, 'org:delete')) throw new AppError('FORBIDDEN');
  if (confirm !== slug) throw notConfirmed();
}

async function countRows(tx: OrgTx): Promise<DeletedRows> {
  const count = (table: PgTable & { orgId: PgColumn }) => tx.$count(table, eq(table.orgId, tx.orgId));
  return {
    members: await count(memberships),
    invitations: await count(organizationInvitations),
    workflows: await count(workflows),
    runs: await count(workflowRuns),
    variables: await count(organizationVariables),
    apiKeys: await count(apiKeys),
    auditEntries: await count(auditLog),
  };
}

function notConfirmed(): AppError {
  const message = 'must be the slug of the organization that is to be deleted';
  return new AppError('BAD_REQUEST', undefined, { details: [{ path: 'confirm', code: 'CONFIRM', message }] });
}
