import { type NoticeKey, takeFailureNotices } from '@millrace/db/failure-notices';
import { SEND_TIMEOUT_MS } from '@millrace/mail/smtp';
import { dependencyFailed, failureNoticeFailed, failureNoticeSent } from '@millrace/shared/events';
import { messageOf } from '@millrace/shared/message-of';
import { type DueLoop, openDueLoop, retryDelaySec } from '../../due-loop.ts';
import { deliverNotice, type NoticeParts } from './deliver.ts';
import type { NoticeContent } from './notice.ts';
import { type DueNotice, postponeNotice, prepareNotice, settleNotice } from './rows.ts';

/** Notices under way at the same time, each of another organization: a slow receiver holds up nobody else. */
const PARALLEL = 10;
/** Beyond the time that mails of one notice, sent side by side, may take. */
const LEASE_SEC = SEND_TIMEOUT_MS / 1000 + 30;
/** Workers write the rows, and nobody pokes: a first failure is told within about this time. */
const POLL_MS = 1_000;

/**
 * Tells organizations that runs fail, in every API process: rows are taken under a lease, so that each notice has one
 * sender. What it told is taken off the count when it was handed over; a crash in between sends the very same notice once
 * more, with the same id, and none is lost.
 */
export function openNoticeSender(parts: NoticeParts): DueLoop {
  const busy = new Set<string>();
  return openDueLoop<NoticeKey>({
    places: PARALLEL,
    pollMs: POLL_MS,
    take: (limit) => takeFailureNotices(parts.db, { limit, leaseSec: LEASE_SEC, busyOrgIds: [...busy] }),
    keyOf: ({ workflowId }) => workflowId,
    handle: async (key) => {
      busy.add(key.orgId);
      await tell(parts, key).finally(() => busy.delete(key.orgId));
    },
    onError: (error) => {
      const message = messageOf(error);
      dependencyFailed(parts.log, { dependency: 'failure-notices', error: message });
    },
  });
}

async function tell(parts: NoticeParts, key: NoticeKey): Promise<void> {
  const notice = await prepareNotice(parts.db, key);
  if (notice === null) return;
  const { told, error, isFinal } = await deliverNotice(parts, notice.settings, contentOf(notice), notice.sending.told);
  const { sending, attempts, settings } = notice;
  const channel = settings.channel === 'webhook' ? 'webhook' : 'email';
  const fields = { ...key, channel, count: sending.count } as const;
  if (error === null) {
    await settleNotice(parts.db, notice);
    return failureNoticeSent(parts.log, fields);
  }
  const retryInSec = isFinal ? null : retryDelaySec(attempts);
  failureNoticeFailed(parts.log, { ...fields, error, attempts, retryInSec });
  if (retryInSec === null) await settleNotice(parts.db, notice);
  else await postponeNotice(parts.db, notice, told, retryInSec);
}

function contentOf({ organization, workflowId, workflowName, sending }: DueNotice): NoticeContent {
  return {
    type: 'workflow.failed',
    id: sending.id,
    at: new Date(sending.at),
    organization,
    workflowId,
    workflowName,
    runId: sending.runId,
    error: { code: sending.error?.code ?? 'UNKNOWN', message: sending.error?.message ?? '' },
    failedCount: sending.count,
  };
}
