import type { Database } from '@millrace/db/connect';
import type { MailContent, Mailer } from '@millrace/mail/mailer';
import type { ApiConfig } from '@millrace/shared/config';
import type { Logger } from 'pino';

/** What sending mails needs from outside. */
export interface SenderParts {
  config: ApiConfig;
  log: Logger;
  db: Database;
  mailer: Mailer;
}

/** A mail that was taken off an outbox, whichever it was. */
export interface DueMail {
  id: string;
  template: string;
  recipient: string;
  /** The one that begins now included. */
  attempts: number;
  /** Null when the reason for the mail is gone, as when its link was used meanwhile: then it is dropped. */
  write(): Promise<MailContent | null>;
  remove(): Promise<void>;
  postpone(seconds: number): Promise<void>;
}

/** A row for which this version has no template: a newer version wrote it and will send it. */
export function unknownTemplate(template: string): Error {
  return new Error(`there is no template ${template}`);
}
