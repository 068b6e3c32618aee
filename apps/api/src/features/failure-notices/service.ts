import { forgetFailureNotices } from '@millrace/db/failure-notices';
import { failureNoticeSettings } from '@millrace/db/schema/failure-notices';
import { type OrgTx, withOrg } from '@millrace/db/tenant';
import type { ContractBody } from '@millrace/shared/contracts/contract';
import type { putFailureNotices } from '@millrace/shared/contracts/failure-notices';
import { AppError, type ErrorDetail } from '@millrace/shared/errors';
import { eq, sql } from 'drizzle-orm';
import type { OrgContext } from '../../context.ts';
import { auditChange } from '../audit/service.ts';
import { lockOrganization } from '../organizations/rows.ts';
import type { NoticeSettings } from './deliver.ts';
import { findVerifiedMembers, readSettings } from './rows.ts';
import { webhookSecret } from './secret.ts';
import { maskUrl, openWebhookUrl, sealWebhookUrl } from './webhook-url.ts';

type Choice = ContractBody<typeof putFailureNotices>;

export async function getSettings(context: OrgContext) {
  const { deps, orgId } = context;
  return withOrg(deps.db, orgId, async (tx) => ({ settings: toSettings(context, await readSettings(tx)) }));
}

/**
 * Chooses who is told. A webhook that takes the place of another channel gets a new signing secret, which is answered this
 * once; one that only moves to another URL keeps its secret. With `none`, failures that were not told yet are forgotten.
 * Throws 400 for an address that is not a confirmed one of a member.
 */
export async function putSettings(context: OrgContext, choice: Choice) {
  const { deps, orgId } = context;
  const { row, isNewWebhook } = await withOrg(deps.db, orgId, async (tx) => {
    await lockOrganization(tx);
    if (choice.channel === 'email') await assertVerifiedMembers(tx, choice.emails);
    const before = await readSettings(tx);
    const isNewWebhook = choice.channel === 'webhook' && before?.channel !== 'webhook';
    const webhookGeneration = (before?.webhookGeneration ?? 0) + (isNewWebhook ? 1 : 0);
    const row = await store(tx, { ...columnsOf(context, choice), webhookGeneration });
    await auditChange(context, tx, 'notice.update', tx.orgId, describeChoice(choice));
    return { row, isNewWebhook };
  });
  // After the commit: a run that fails waits for whoever holds the lock of its row.
  if (choice.channel === 'none') await forgetFailureNotices(deps.db, { orgId, workflowId: null }, row.updatedAt);
  return { settings: toSettings(context, row), ...(isNewWebhook && { secret: secretOf(context, row) }) };
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

async function assertVerifiedMembers(tx: OrgTx, emails: readonly string[]): Promise<void> {
  const verified = await findVerifiedMembers(tx, emails);
  const details = emails.flatMap((email, index) => (verified.has(email) ? [] : [notVerified(index)]));
  if (details.length > 0) throw new AppError('BAD_REQUEST', undefined, { details });
}

function notVerified(index: number): ErrorDetail {
  const message = 'must be the confirmed address of a member of the organization';
  return { path: `emails.${index}`, code: 'NOT_A_VERIFIED_MEMBER', message };
}

function columnsOf({ deps, orgId }: OrgContext, choice: Choice) {
  const isWebhook = choice.channel === 'webhook';
  return {
    channel: choice.channel,
    emails: choice.channel === 'email' ? [...new Set(choice.emails)] : [],
    webhookUrl: null,
    webhookUrlSealed: isWebhook ? sealWebhookUrl(deps.config.AUTH_TOKEN_SECRET, orgId, choice.url) : null,
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

function toSettings({ deps }: OrgContext, row: NoticeSettings | undefined) {
  const url = row ? openWebhookUrl(deps.config.AUTH_TOKEN_SECRET, row) : null;
  return {
    channel: row?.channel ?? 'none',
    emails: row?.emails ?? [],
    webhookUrl: url === null ? null : maskUrl(url),
    updatedAt: row?.updatedAt.toISOString() ?? null,
  };
}
