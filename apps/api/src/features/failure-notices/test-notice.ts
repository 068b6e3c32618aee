import { failureNoticeSettings } from '@millrace/db/schema/failure-notices';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import { AppError } from '@millrace/shared/errors';
import { newId } from '@millrace/shared/ids';
import { eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization } from '../organizations/rows.ts';
import { deliverNotice } from './deliver.ts';
import { isSomebodyTold, readSettings } from './rows.ts';

/** Nobody may fill somebody's mailbox with tests, nor hit a server of others with ours. */
const PAUSE_SEC = { email: 30, webhook: 5 };

/**
 * Sends a notice about nothing to whoever is told of failures, and answers how that went. Throws 409 when nobody is, 429
 * when the organization sent a test just before.
 */
export async function sendTestNotice(context: OrgContext) {
  const { deps, orgId } = context;
  const { settings, organization } = await withOrg(deps.db, orgId, async (tx) => {
    const organization = await lockOrganization(tx);
    const settings = await readSettings(tx);
    if (settings === undefined || !isSomebodyTold(settings))
      throw new AppError('CONFLICT', 'Nobody is told of failures yet; set an address or a webhook first.');
    await spendTest(tx, settings.channel === 'webhook' ? PAUSE_SEC.webhook : PAUSE_SEC.email);
    await auditChange(context, tx, 'notice.test', tx.orgId, { channel: settings.channel });
    return { settings, organization };
  });
  const { error } = await deliverNotice(deps, settings, {
    type: 'test',
    id: newId(),
    at: new Date(),
    organization,
    workflowId: null,
    workflowName: 'Example workflow',
    runId: null,
    error: { code: 'TEST', message: 'This is a test notice. No run has failed.' },
    failedCount: 1,
  });
  return { sent: error === null, channel: settings.channel, error };
}

async function spendTest(tx: OrgTx, pauseSec: number): Promise<void> {
  const { orgId, testedAt } = failureNoticeSettings;
  const pauseLeft = sql`${pauseSec} - extract(epoch FROM clock_timestamp() - ${testedAt})`;
  const [row] = await tx
    .select({ waitSec: sql`greatest(ceil(coalesce(${pauseLeft}, 0)), 0)`.mapWith(Number) })
    .from(failureNoticeSettings)
    .where(eq(orgId, tx.orgId));
  const retryAfterSec = row?.waitSec ?? 0;
  if (retryAfterSec > 0)
    throw new AppError('RATE_LIMITED', 'A test was just sent; wait as long as Retry-After says.', {
      retryAfterSec,
    });
  await tx.update(failureNoticeSettings).set({ testedAt: sql`clock_timestamp()` }).where(eq(orgId, tx.orgId));
}
