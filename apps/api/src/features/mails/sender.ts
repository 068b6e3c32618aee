import { describeSendError } from '@millrace/mail/send-error';
import { SEND_TIMEOUT_MS } from '@millrace/mail/smtp';
import { dependencyFailed, mailFailed, mailSent } from '@millrace/shared/events';
import { takeDueAccountMails } from './account-mails.ts';
import type { DueMail, SenderParts } from './due-mail.ts';
import { takeDueOrgMails } from './org-mails.ts';

export interface MailSender {
  /** Until then mails are kept. */
  start(): void;
  /** Says that a mail was just committed; it leaves right away. */
  poke(): void;
  /** Takes nothing new and lets what is being sent finish for a while. */
  stop(): Promise<void>;
}

/** Mails of each outbox under way at the same time. */
const PARALLEL = 5;
/** Beyond the time that one mail may take: within it no other process takes the mail as well. */
const LEASE_SEC = SEND_TIMEOUT_MS / 1000 + 30;
/** Finds mails of processes that died, and those whose next try is due. */
const POLL_MS = 5_000;
/** A mail that is still being sent then may arrive twice: its row stays. */
const STOP_GRACE_MS = 5_000;

/**
 * Sends what stands in the two outboxes, in every API process: rows are taken under a lease, so that each has one sender.
 * A row is deleted when its mail was handed over. A crash in between sends that mail once more, with the same Message-ID;
 * none is lost.
 */
export function openMailSender(parts: SenderParts): MailSender {
  let state: 'idle' | 'running' | 'stopped' = 'idle';
  let isPoked = false;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  const isRunning = () => state === 'running';
  const wake = () => {
    if (!isRunning()) return;
    clearTimeout(timer);
    isPoked = true;
    pass ??= work();
  };
  const work = async () => {
    while (isPoked && isRunning()) {
      isPoked = false;
      await sendUntilNoneIsDue(parts, isRunning);
    }
    pass = undefined;
    if (isRunning()) timer = setTimeout(wake, POLL_MS).unref();
  };
  return {
    start: () => {
      state = 'running';
      wake();
    },
    poke: wake,
    stop: async () => {
      state = 'stopped';
      clearTimeout(timer);
      const grace = new Promise<void>((resolve) => setTimeout(resolve, STOP_GRACE_MS).unref());
      await Promise.race([pass, grace]);
    },
  };
}

async function sendUntilNoneIsDue(parts: SenderParts, isRunning: () => boolean): Promise<void> {
  try {
    while (isRunning()) {
      const mails = [
        ...(await takeDueAccountMails(parts, PARALLEL, LEASE_SEC)),
        ...(await takeDueOrgMails(parts, PARALLEL, LEASE_SEC)),
      ];
      if (mails.length === 0) return;
      await Promise.all(mails.map((mail) => deliver(parts, mail)));
    }
  } catch (error) {
    reportOutbox(parts, error);
  }
}

/** One mail, to its end: sent, dropped, put off or given up. Never throws: the lease brings back what failed half-way. */
async function deliver(parts: SenderParts, mail: DueMail): Promise<void> {
  try {
    const failure = await send(parts, mail).then(
      () => undefined,
      (error: unknown) => ({ error: describeSendError(error) }),
    );
    if (!failure) return await mail.remove();
    const retryInSec = retryDelaySec(mail.attempts);
    mailFailed(parts.log, { ...attemptOf(mail), ...failure, retryInSec });
    if (retryInSec === null) await mail.remove();
    else await mail.postpone(retryInSec);
  } catch (error) {
    reportOutbox(parts, error);
  }
}

async function send({ mailer, log }: SenderParts, mail: DueMail): Promise<void> {
  const content = await mail.write();
  if (!content) return;
  await mailer.send({ id: mail.id, to: mail.recipient, ...content });
  mailSent(log, attemptOf(mail));
}

/** A minute, doubling to an hour; null after the 29th try, about a day after the first. */
export function retryDelaySec(attempts: number): number | null {
  if (attempts >= 29) return null;
  return Math.min(60 * 2 ** (attempts - 1), 3600);
}

function attemptOf({ template, id, attempts }: DueMail) {
  return { template, mailId: id, attempts };
}

function reportOutbox({ log }: SenderParts, error: unknown): void {
  dependencyFailed(log, { dependency: 'outbox', error: error instanceof Error ? error.message : String(error) });
}
