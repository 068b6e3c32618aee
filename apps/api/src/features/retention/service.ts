import { runRetentionSettings } from '@millrace/db/schema/run-retention';
import { withOrg } from '@millrace/db/tenant';
import { eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization } from '../organizations/rows.ts';

export async function getRetention(context: OrgContext) {
  const [row] = await withOrg(context.deps.db, context.orgId, (tx) =>
    tx.select().from(runRetentionSettings).where(eq(runRetentionSettings.orgId, tx.orgId)),
  );
  return toRetention(context, row?.days ?? null);
}

/** Holds from the next clearing on, also for runs that have ended already. Null: as long as the server keeps runs. */
export async function updateRetention(context: OrgContext, days: number | null) {
  await withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    if (days === null) await tx.delete(runRetentionSettings).where(eq(runRetentionSettings.orgId, tx.orgId));
    else
      await tx
        .insert(runRetentionSettings)
        .values({ orgId: tx.orgId, days })
        .onConflictDoUpdate({ target: runRetentionSettings.orgId, set: { days, updatedAt: sql`now()` } });
    await auditChange(context, tx, 'organization.set-retention', tx.orgId, { days });
  });
  return toRetention(context, days);
}

function toRetention({ deps }: OrgContext, days: number | null) {
  return { retention: { days: days ?? deps.config.RUN_RETENTION_DAYS, isDefault: days === null } };
}
