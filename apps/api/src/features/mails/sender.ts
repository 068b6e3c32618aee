import { describeSendError, isRefusedForGood } from '@millrace/mail/send-error';
import { SEND_TIMEOUT_MS } from '@millrace/mail/smtp';
import { dependencyFailed, mailFailed, mailSent } from '@millrace/shared/events';
import { messageOf } from '@millrace/shared/message-of';
import { type DueLoop, openDueLoop, retryDelaySec } from '../../due-loop.ts';
import { takeDueAccountMails } from './account-mails.ts';
import type { DueMail, SenderParts } from './due-mail.ts';
import { takeDueOrgMails } from './org-mails.ts';

/** Mails of each outbox that are under way at the same time. */
const PARALLEL = 5;
/** Beyond the time that one mail may take: within it no other process takes the mail as well. */
const LEASE_SEC = SEND_TIMEOUT_MS / 1000 + 30;
const POLL_MS = 5_000;

/**
 * Sends what stands in the two outboxes, in every API process: rows are taken under a lease, so that each has one sender.
 * A row is deleted when its mail was handed over. A crash in between sends that mail once more, with the same Message-ID;
 * none is lost. Each outbox has a loop of its own, so that neither waits for the other.
 */
export function openMailSender(parts: SenderParts): DueLoop {
  const loops = [openAccountLoop(parts), openOrgLoop(parts)];
  return {
    start: () => {
      for (const loop of loops) loop.start();
    },
    poke: () => {
      for (const loop of loops) loop.poke();
    },
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

function openAccountLoop(parts: SenderParts): DueLoop {
  return openDueLoop<DueMail>({
    ...loopOptions(parts),
    take: (limit) => takeDueAccountMails(parts, limit, LEASE_SEC),
    handle: (mail) => deliver(parts, mail),
  });
}

function openOrgLoop(parts: SenderParts): DueLoop {
  const busy = new Map<string, string>(); // from a mail under way to its organization
  return openDueLoop<DueMail & { orgId: string }>({
    ...loopOptions(parts),
    take: (limit) => takeDueOrgMails(parts, { limit, leaseSec: LEASE_SEC, busyOrgIds: [...busy.values()] }),
    handle: async (mail) => {
      busy.set(mail.id, mail.orgId);
      await deliver(parts, mail).finally(() => busy.delete(mail.id));
    },
  });
}

function loopOptions(parts: SenderParts) {
  return {
    places: PARALLEL,
    pollMs: POLL_MS,
    keyOf: ({ id }: DueMail) => id,
    onError: (error: unknown) => reportOutbox(parts, error),
  };
}

/** One mail, to its end: sent, dropped, put off or given up. What the receiving server refused for good is not tried again. */
async function deliver(parts: SenderParts, mail: DueMail): Promise<void> {
  const failure = await send(parts, mail).then(
    () => undefined,
    (error: unknown) => ({ error: describeSendError(error), isRefused: isRefusedForGood(error) }),
  );
  if (!failure) return await mail.remove();
  const retryInSec = failure.isRefused ? null : retryDelaySec(mail.attempts);
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
  dependencyFailed(log, { dependency: 'outbox', error: messageOf(error) });
}
