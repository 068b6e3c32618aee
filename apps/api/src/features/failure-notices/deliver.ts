import { createHash } from 'node:crypto';
import type { HttpClient } from '@millrace/connectors/sdk';
import type { Database } from '@millrace/db/connect';
import type { failureNoticeSettings } from '@millrace/db/schema/failure-notices';
import type { Mailer } from '@millrace/mail/mailer';
import { describeSendError } from '@millrace/mail/send-error';
import type { ApiConfig } from '@millrace/shared/config';
import type { Logger } from 'pino';
import { type NoticeContent, noticeJson, noticeMail } from './notice.ts';
import { webhookSecret } from './secret.ts';
import { postWebhook } from './webhook.ts';

/** What sending notices needs from outside. */
export interface NoticeParts {
  config: ApiConfig;
  log: Logger;
  db: Database;
  mailer: Mailer;
  /** Reaches public addresses only, and follows no redirect. */
  webhookHttp: HttpClient;
}

export type NoticeSettings = typeof failureNoticeSettings.$inferSelect;

export interface Delivery {
  /** Addresses that have the notice now, those of earlier tries included; empty for a webhook. */
  told: string[];
  /** Why it did not arrive, or not everywhere; null when it did. */
  error: string | null;
}

/** Sends one notice over the organization's channel, to those who do not have it yet. Throws only for faults of ours. */
export async function deliverNotice(
  parts: NoticeParts,
  settings: NoticeSettings,
  content: NoticeContent,
  told: readonly string[] = [],
): Promise<Delivery> {
  if (settings.channel === 'webhook') return deliverByWebhook(parts, settings, content);
  return deliverByMail(parts, settings.emails, content, told);
}

async function deliverByWebhook(parts: NoticeParts, settings: NoticeSettings, content: NoticeContent) {
  const { AUTH_TOKEN_SECRET, WEB_BASE_URL } = parts.config;
  const generation = settings.webhookGeneration;
  const webhook = {
    url: settings.webhookUrl ?? '',
    secret: webhookSecret(AUTH_TOKEN_SECRET, { orgId: settings.orgId, generation }),
    id: `msg_${content.id}`,
    body: noticeJson(WEB_BASE_URL, content),
  };
  return { told: [], error: await postWebhook(parts.webhookHttp, webhook, new Date()) };
}

/** One mail to each address: one that is wrong must not keep the notice from the others, nor show them to each other. */
async function deliverByMail(
  { config, mailer }: NoticeParts,
  emails: readonly string[],
  content: NoticeContent,
  told: readonly string[],
): Promise<Delivery> {
  const mail = noticeMail(config.WEB_BASE_URL, content);
  const open = emails.filter((to) => !told.includes(to));
  const errors = await Promise.all(
    open.map((to) => mailer.send({ ...mail, to, id: mailId(content.id, to) }).then(() => null, describeSendError)),
  );
  const failed = errors.filter((error) => error !== null);
  const error =
    failed.length === 0 ? null : `${failed.length} of ${emails.length} addresses were not reached: ${failed[0]}`;
  return { told: [...told, ...open.filter((_, index) => errors[index] === null)], error };
}

/** Each address has its own Message-ID, the same for every try. */
function mailId(noticeId: string, to: string): string {
  return `${noticeId}.${createHash('sha256').update(to).digest('hex').slice(0, 16)}`;
}
