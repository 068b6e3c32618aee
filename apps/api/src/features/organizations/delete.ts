import { deleteMostHookDeliveries, deleteMostIdempotencyKeys, deleteMostRuns } from '@millrace/db/portions';
import { apiKeys } from '@millrace/db/schema/api-keys';
import { auditLog } from '@millrace/db/schema/audit-log';
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
import { eq } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { findMembership, lockOrganization } from './rows.ts';

/**
 * Deletes the organization and everything that belongs to it, its audit log included: the keys of the tenant tables
 * cascade. Runs under way end without a result, since their rows are gone. Answers how much there was of what people
 * know by name; an event keeps that, since the audit log is gone. Throws 400 unless `confirm` is the slug.
 *
 * Many runs, deliveries and kept answers are deleted before it in portions, so that neither a statement's time limit nor the
 * organization's lock depends on how many there are. The first of them leaves `organization.delete_begin` in the audit
 * log; a deletion that stops after it is finished by asking again.
 */
export async function deleteOrganization(context: OrgContext, confirm: string) {
  const { deps, orgId, userId, requestId, log } = context;
  const runsBefore = await deleteMost(context, confirm);
  const deleted = await withOrg(deps.db, orgId, async (tx) => {
    await assertMayDelete(context, tx, confirm);
    const counted = await countRows(tx);
    await tx.delete(organizations).where(eq(organizations.id, tx.orgId));
    return { ...counted, runs: counted.runs + runsBefore };
  });
  organizationDeleted(log, { requestId, orgId, userId, deleted });
  return { ok: true as const, deleted };
}

/** Answers how many runs it deleted. */
async function deleteMost(context: OrgContext, confirm: string): Promise<number> {
  const { deps, orgId } = context;
  const deletion = (what: string) => ({
    guard: (tx: OrgTx) => assertMayDelete(context, tx, confirm),
    begin: (tx: OrgTx) => auditChange(context, tx, 'organization.delete_begin', orgId, { what }),
  });
  const runs = await deleteMostRuns(deps.db, orgId, deletion('runs'));
  await deleteMostHookDeliveries(deps.db, orgId, deletion('hook-deliveries'));
  await deleteMostIdempotencyKeys(deps.db, orgId, deletion('idempotency-keys'));
  return runs;
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
