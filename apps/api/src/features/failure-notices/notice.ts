import type { MailContent } from '@millrace/mail/mailer';
import { runFailedMail } from '@millrace/mail/templates/run-failed';
import { webLink } from '../mails/mail-token.ts';

/** Messages may quote what a run worked with, so a notice carries their beginning only. */
const MESSAGE_LIMIT = 300;

/** What a notice says. No input, output or other value of a run. */
export interface NoticeContent {
  type: 'workflow.failed' | 'test';
  /** The same for every try. */
  id: string;
  at: Date;
  organization: { id: string; name: string; slug: string };
  /** Null in a test. */
  workflowId: string | null;
  workflowName: string;
  /** The newest failed run; null in a test. */
  runId: string | null;
  error: { code: string; message: string };
  /** Runs that failed since the notice before this one. */
  failedCount: number;
}

export function noticeMail(webBaseUrl: string, content: NoticeContent): MailContent {
  return runFailedMail({
    organizationName: content.organization.name,
    workflowName: content.workflowName,
    failedCount: content.failedCount,
    errorCode: content.error.code,
    errorMessage: beginningOf(content.error.message),
    url: noticeUrl(webBaseUrl, content),
  });
}

/** The body of the webhook: type, time and data, as Standard Webhooks advises. */
export function noticeJson(webBaseUrl: string, content: NoticeContent): string {
  return JSON.stringify({
    type: content.type,
    timestamp: content.at.toISOString(),
    data: {
      organizationId: content.organization.id,
      workflowId: content.workflowId,
      workflowName: content.workflowName,
      runId: content.runId,
      failedCount: content.failedCount,
      error: { code: content.error.code, message: beginningOf(content.error.message) },
      url: noticeUrl(webBaseUrl, content),
    },
  });
}

/** The page of the web app that shows the run. */
function noticeUrl(webBaseUrl: string, { organization, workflowId, runId }: NoticeContent): string {
  const run = runId === null ? '' : `/workflows/${workflowId}/runs/${runId}`;
  return webLink(webBaseUrl, `/orgs/${organization.slug}${run}`);
}

/** Whole characters only: half of one could not be sent. */
function beginningOf(message: string): string {
  return [...message].slice(0, MESSAGE_LIMIT).join('');
}
