import { describeSendError } from '@millrace/mail/send-error';
import { SEND_TIMEOUT_MS } from '@millrace/mail/smtp';
import { dependencyFailed, mailFailed, mailSent } from '@millrace/shared/events';
import { type DueLoop, openDueLoop, retryDelaySec } from '../../due-loop.ts';
import { takeDueAccountMails } from './account-mails.ts';
import type { DueMail, SenderParts } from './due-mail.ts';
import { takeDueOrgMails } from './org-mails.ts';

/** Mails of the two outboxes together that are under way at the same time. */
const PARALLEL = 10;
/** Beyond the time that one mail may take: within it no other process takes the mail as well. */
const LEASE_SEC = SEND_TIMEOUT_MS / 1000 + 30;
const POLL_MS = 5_000;

/**
 * Sends what stands in the two outboxes, in every API process: rows are taken under a lease, so that each has one sender.
 * A row is deleted when its mail was handed over. A crash in between sends that mail once more, with the same Message-ID;
 * none is lost.
 */
export function openMailSender(parts: SenderParts): DueLoop {
  return openDueLoop<DueMail>({
    places: PARALLEL,
    pollMs: POLL_MS,
    take: async (limit) => {
      const half = Math.ceil(limit / 2); // of each, so that neither holds up the other
      return [
        ...(await takeDueAccountMails(parts, half, LEASE_SEC)),
        ...(await takeDueOrgMails(parts, half, LEASE_SEC)),
      ];
    },
    keyOf: ({ id }) => id,
    handle: (mail) => deliver(parts, mail),
    onError: (error) => reportOutbox(parts, error),
  });
}

/** One mail, to its end: sent, dropped, put off or given up. */
async function deliver(parts: SenderParts, mail: DueMail): Promise<void> {
  const failure = await send(parts, mail).then(
    () => undefined,
    (error: unknown) => ({ error: describeSendError(error) }),
  );
  if (!failure) return await mail.remove();
  const retryInSec = retryDelaySec(mail.attempts);
  mailFailed(parts.log, { ...attemptOf(mail), ...failure, retryInSec });
  if (retryInSec === null) await mail.remove();
  else await mail.postpone(retryInSec);
}

async function send({ mailer, log }: SenderParts, mail: DueMail): Promise<void> {
  const content = await mail.write();
  if (!content) return;
  await mailer.send({ id: mail.id, to: mail.recipient, ...content });
  mailSent(log, attemptOf(mail));
}

function attemptOf({ template, id, attempts }: DueMail) {
  return { template, mailId: id, attempts };
}

function reportOutbox({ log }: SenderParts, error: unknown): void {
  dependencyFailed(log, { dependency: 'outbox', error: error instanceof Error ? error.message : String(error) });
}
