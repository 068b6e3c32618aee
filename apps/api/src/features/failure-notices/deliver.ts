import { createHash } from 'node:crypto';
import type { HttpClient } from '@millrace/connectors/sdk';
import type { Database } from '@millrace/db/connect';
import type { failureNoticeSettings } from '@millrace/db/schema/failure-notices';
import type { Mailer } from '@millrace/mail/mailer';
import { describeSendError, isRefusedForGood } from '@millrace/mail/send-error';
import type { ApiConfig } from '@millrace/shared/config';
import type { Logger } from 'pino';
import { type NoticeContent, noticeJson, noticeMail } from './notice.ts';
import { webhookSecret } from './secret.ts';
import { postWebhook } from './webhook.ts';
import { openWebhookUrl } from './webhook-url.ts';

const UNREADABLE_URL = 'The URL cannot be read, since AUTH_TOKEN_SECRET has changed; choose the webhook again.';

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
  /** Addresses that need no other try, those of earlier tries included; empty for a webhook. */
  told: string[];
  /** Why it did not arrive, or not everywhere; null when it did. */
  error: string | null;
  /** Whether another try reaches nobody else. */
  isFinal: boolean;
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

async function deliverByWebhook(
  { config, webhookHttp }: NoticeParts,
  settings: NoticeSettings,
  content: NoticeContent,
): Promise<Delivery> {
  const { AUTH_TOKEN_SECRET, WEB_BASE_URL } = config;
  const url = openWebhookUrl(AUTH_TOKEN_SECRET, settings);
  if (url === null) return { told: [], error: UNREADABLE_URL, isFinal: false };
  const generation = settings.webhookGeneration;
  const webhook = {
    url,
    secret: webhookSecret(AUTH_TOKEN_SECRET, { orgId: settings.orgId, generation }),
    id: `msg_${content.id}`,
    body: noticeJson(WEB_BASE_URL, content),
  };
  const error = await postWebhook(webhookHttp, webhook, new Date());
  return { told: [], error, isFinal: error === null };
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
  const sent = await Promise.all(
    open.map((to) => mailer.send({ ...mail, to, id: mailId(content.id, to) }).then(() => undefined, toFailure)),
  );
  const failed = sent.filter((failure) => failure !== undefined);
  const error =
    failed.length === 0 ? null : `${failed.length} of ${emails.length} addresses were not reached: ${failed[0]?.error}`;
  const done = open.filter((_, index) => sent[index]?.isRefused ?? true);
  return { told: [...told, ...done], error, isFinal: done.length === open.length };
}

function toFailure(error: unknown) {
  return { error: describeSendError(error), isRefused: isRefusedForGood(error) };
}

/** Each address has its own Message-ID, the same for every try. */
function mailId(noticeId: string, to: string): string {
  return `${noticeId}.${createHash('sha256').update(to).digest('hex').slice(0, 16)}`;
}
