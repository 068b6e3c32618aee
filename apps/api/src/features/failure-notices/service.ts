import { failureNoticeSettings, failureNotices } from '@millrace/db/schema/failure-notices';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { ContractBody } from '@millrace/shared/contracts/contract';
import type { putFailureNotices } from '@millrace/shared/contracts/failure-notices';
import { AppError } from '@millrace/shared/errors';
import { eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization } from '../organizations/rows.ts';
import type { NoticeSettings } from './deliver.ts';
import { readSettings } from './rows.ts';
import { webhookSecret } from './secret.ts';

type Choice = ContractBody<typeof putFailureNotices>;

export async function getSettings({ deps, orgId }: OrgContext) {
  return withOrg(deps.db, orgId, async (tx) => ({ settings: toSettings(await readSettings(tx)) }));
}

/**
 * Chooses who is told. A webhook that takes the place of another channel gets a new signing secret, which is answered this
 * once; one that only moves to another URL keeps its secret. With `none`, failures that were not told yet are forgotten.
 */
export async function putSettings(context: OrgContext, choice: Choice) {
  const { deps, orgId } = context;
  return withOrg(deps.db, orgId, async (tx) => {
    await lockOrganization(tx);
    const before = await readSettings(tx);
    const isNewWebhook = choice.channel === 'webhook' && before?.channel !== 'webhook';
    const webhookGeneration = (before?.webhookGeneration ?? 0) + (isNewWebhook ? 1 : 0);
    const row = await store(tx, { ...columnsOf(choice), webhookGeneration });
    if (choice.channel === 'none') await tx.delete(failureNotices).where(eq(failureNotices.orgId, tx.orgId));
    await auditChange(context, tx, 'notice.update', tx.orgId, describeChoice(choice));
    const secret = isNewWebhook ? { secret: secretOf(context, row) } : {};
    return { settings: toSettings(row), ...secret };
  });
}

/** Throws 409 unless notices go to a webhook. */
export async function rotateSecret(context: OrgContext) {
  return withOrg(context.deps.db, context.orgId, async (tx) => {
    await lockOrganization(tx);
    const before = await readSettings(tx);
    if (before?.channel !== 'webhook') throw new AppError('CONFLICT', 'There is no webhook; set one first.');
    const [row] = await tx
      .update(failureNoticeSettings)
      .set({ webhookGeneration: before.webhookGeneration + 1, updatedAt: sql`now()` })
      .where(eq(failureNoticeSettings.orgId, tx.orgId))
      .returning();
    await auditChange(context, tx, 'notice.rotate-secret', tx.orgId, {});
    return { secret: secretOf(context, row ?? before) };
  });
}

function columnsOf(choice: Choice) {
  return {
    channel: choice.channel,
    emails: choice.channel === 'email' ? [...new Set(choice.emails)] : [],
    webhookUrl: choice.channel === 'webhook' ? choice.url : null,
  };
}

async function store(tx: OrgTx, columns: ReturnType<typeof columnsOf> & { webhookGeneration: number }) {
  const [row] = await tx
    .insert(failureNoticeSettings)
    .values({ orgId: tx.orgId, ...columns })
    .onConflictDoUpdate({ target: failureNoticeSettings.orgId, set: { ...columns, updatedAt: sql`now()` } })
    .returning();
  if (!row) throw new Error('the settings were not returned');
  return row;
}

/** For the audit log, which is kept for good: of a URL the host alone, since many hide a secret in the rest. */
function describeChoice(choice: Choice): Record<string, unknown> {
  switch (choice.channel) {
    case 'email':
      return { channel: choice.channel, addresses: new Set(choice.emails).size };
    case 'webhook':
      return { channel: choice.channel, host: new URL(choice.url).host };
    default:
      return { channel: choice.channel };
  }
}

function secretOf({ deps, orgId }: OrgContext, { webhookGeneration }: NoticeSettings): string {
  return webhookSecret(deps.config.AUTH_TOKEN_SECRET, { orgId, generation: webhookGeneration });
}

function toSettings(row: NoticeSettings | undefined) {
  return {
    channel: row?.channel ?? 'none',
    emails: row?.emails ?? [],
    webhookUrl: row?.webhookUrl ?? null,
    updatedAt: row?.updatedAt.toISOString() ?? null,
  };
}
