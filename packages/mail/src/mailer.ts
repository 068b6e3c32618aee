import { openMailbox } from './mailbox.ts';
import { openSmtpMailer } from './smtp.ts';

/** What a template makes of its data. `text` says everything; `html` is the same for people who look rather than read. */
export interface MailContent {
  subject: string;
  text: string;
  html: string;
}

/** One mail, ready to send, to one address. */
export interface Mail extends MailContent {
  to: string;
  /** Becomes the Message-ID: a mail that is sent twice after a crash is then the same mail twice. Unset: a random one. */
  id?: string;
}

export interface Mailer {
  /** Resolves when the mail was handed over. Throws when it could not be; the caller tries again later. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

export interface MailerSettings {
  /** `smtp://` or `smtps://`, with user and password when the server wants them. Unset: mails become files. */
  smtpUrl: string | undefined;
  /** The sender, as in `Millrace <millrace@example.com>`. */
  from: string;
  /** The folder that mails become files in without an SMTP server; made when the first one is written. */
  mailboxDir: string;
}

/** Opens no connection yet. */
export function openMailer({ smtpUrl, from, mailboxDir }: MailerSettings): Mailer {
  return smtpUrl === undefined ? openMailbox({ dir: mailboxDir, from }) : openSmtpMailer({ url: smtpUrl, from });
}
